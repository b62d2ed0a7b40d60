package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
)

// A difference is what came of the images of a set.
type difference struct{ lost, altered, bad, told int }

// An outcome is what a folder of shards says of the images of a set, by key.
type outcome struct {
	images map[string][32]byte // label and bytes
	bad    map[string]string   // those in the quarantine, and why
}

// outcomeOf reads a folder of shards.
func outcomeOf(ctx context.Context, dir string) (outcome, error) {
	images, _, err := contentOf(ctx, dir, datasets.Options{})
	if err != nil {
		return outcome{}, err
	}
	o := outcome{images, map[string]string{}}
	if _, err := os.Stat(filepath.Join(dir, datasets.QuarantineName)); err != nil {
		return o, nil
	}
	for bad, err := range datasets.ReadQuarantine(dir) {
		if err != nil {
			return outcome{}, err
		}
		o.bad[bad.Key] = bad.Reason
	}
	return o, nil
}

// contentOf reads all images of a dataset. Those that cannot be read are in bad.
func contentOf(ctx context.Context, spec string, o datasets.Options) (images map[string][32]byte, bad map[string]error, err error) {
	d, err := datasets.Open(ctx, spec, o)
	if err != nil {
		return nil, nil, err
	}
	defer d.Close()
	images, bad = map[string][32]byte{}, map[string]error{}
	s := pipeline.NewSample(ctx, pipeline.Key{})
	for i := range d.Len() {
		if err := d.Read(ctx, i, s); err != nil {
			bad[s.Key] = err
			continue
		}
		images[s.Key] = digest(s)
	}
	return images, bad, nil
}

// digest is that of a sample's label and bytes.
func digest(s *pipeline.Sample) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d %s", s.Label, s.Bytes))
}

// from says how this outcome differs from what it must be.
func (o outcome) from(must outcome) (d difference) {
	d.bad = len(must.bad)
	for key := range must.bad {
		if _, told := o.bad[key]; told {
			d.told++
		}
	}
	for key, want := range must.images {
		got, there := o.images[key]
		switch {
		case !there:
			d.lost++
		case got != want:
			d.altered++
		}
	}
	return d
}

// sameFiles says in what two folders differ; "" if all their files have the same bytes.
func sameFiles(got, want string) (string, error) {
	a, err := files(got)
	if err != nil {
		return "", err
	}
	b, err := files(want)
	if err != nil {
		return "", err
	}
	for name := range maps.Keys(a) {
		if _, there := b[name]; !there {
			return name + " is left over", nil
		}
	}
	for name, content := range b {
		if other, there := a[name]; !there || !bytes.Equal(other, content) {
			return name + " is not there, or has other bytes", nil
		}
	}
	return "", nil
}

// files are the contents of the files of a folder.
func files(dir string) (map[string][]byte, error) {
	all := map[string][]byte{}
	return all, fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		all[name], err = os.ReadFile(filepath.Join(dir, name))
		return err
	})
}

// alone says what lies beside a folder where it should be alone.
func alone(dir string) (string, error) {
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(dir) {
			return e.Name() + " is left over", nil
		}
	}
	return "", nil
}
