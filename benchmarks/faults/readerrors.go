package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/goclr/goclr/datasets"
)

// failReads has a hundredth of the reads of a local disk fail: for good, where they do at places of the disk, or once.
func failReads(ctx context.Context, b *bench) ([]*row, error) {
	list, err := b.photos("cifar10-test.tar", 5000)
	if err != nil {
		return nil, err
	}
	content, err := tarOf(list)
	if err != nil {
		return nil, err
	}
	dir, err := b.dir("read-errors")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "photos.tar"), content, 0o644); err != nil {
		return nil, err
	}
	for _, p := range list {
		name := filepath.Join(dir, "photos", filepath.FromSlash(p.key))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, p.bytes, 0o644)); err != nil {
			return nil, err
		}
	}
	clean, err := shardsOf(ctx, filepath.Join(dir, "photos"), filepath.Join(dir, "want"))
	if err != nil {
		return nil, err
	}
	var rows []*row
	for _, form := range []string{"photos", "photos.tar"} {
		lasting := newRow("lasting errors of 1 % of the images, read from "+form, "each of these is in the quarantine, all others in the shards")
		passing := newRow("1 % of the reads fail, by chance, of "+form, "each image that could not be read is in the quarantine, all others in the shards")
		for n := range b.cases {
			for _, r := range []*row{lasting, passing} {
				if err := failing(ctx, b, r, n, r == passing, clean, list, dir, form); err != nil {
					return nil, err
				}
			}
		}
		rows = append(rows, lasting, passing)
	}
	return rows, nil
}

// shardsOf writes shards of a dataset, and returns what is in them.
func shardsOf(ctx context.Context, spec, out string) (outcome, error) {
	if _, err := ingestSpec(ctx, spec, out, 1<<20); err != nil {
		return outcome{}, err
	}
	return outcomeOf(ctx, out)
}

// failing ingests with errors of reading.
func failing(ctx context.Context, b *bench, r *row, n int, passing bool, clean outcome, list []photo, dir, form string) error {
	name := fmt.Sprint("fails ", n)
	random := b.random(r.fault + name)
	must := outcome{images: clean.images, bad: map[string]string{}}
	var mu sync.Mutex
	opened := false // the scan of an archive is not what is tested
	at := map[string]bool{}
	for _, p := range list {
		at[p.key] = random.IntN(100) == 0
	}
	places := newPlaces(list)
	buckets.Store("fails", &bucket{objects: os.DirFS(dir), reading: func(_ context.Context, object string, offset int64, n int) error {
		mu.Lock()
		defer mu.Unlock()
		key := places.key(object, offset, n)
		if key == "" && n >= 4<<20 { // the archive cannot be copied whole
			return &os.PathError{Op: "read", Path: object, Err: syscall.EIO}
		}
		if !opened || key == "" {
			return nil
		}
		if passing && random.IntN(100) > 0 || !passing && !at[key] {
			return nil
		}
		must.bad[key] = "read"
		return &os.PathError{Op: "read", Path: object, Err: syscall.EIO}
	}})
	d, err := datasets.Open(ctx, "test://fails/"+form, datasets.Options{})
	if err != nil {
		return err
	}
	defer d.Close()
	mu.Lock()
	opened = true
	mu.Unlock()
	out := filepath.Join(dir, "shards")
	defer os.RemoveAll(out)
	if _, err := datasets.Ingest(ctx, d, out, datasets.IngestOptions{Check: check, MaxBad: 0.2, ShardBytes: 1 << 20}); err != nil {
		return err
	}
	r.tried()
	got, err := outcomeOf(ctx, out)
	if err != nil {
		return err
	}
	if passing { // it may have been read in the end
		for key := range must.bad {
			if _, stored := got.images[key]; stored {
				delete(must.bad, key)
				r.add("read at the second try", 1)
			}
		}
	}
	must.images = map[string][32]byte{}
	for key, sum := range clean.images {
		if _, bad := must.bad[key]; !bad {
			must.images[key] = sum
		}
	}
	r.compare(got.from(must))
	if len(got.images)+len(got.bad) != len(list) {
		r.fail("%d images are stored and %d set aside, of %d", len(got.images), len(got.bad), len(list))
	}
	return nil
}

// places tell which image lies where.
type places struct {
	list []photo
	end  []int64 // of each in the archive
}

func newPlaces(list []photo) places {
	p := places{list: list}
	at := int64(0)
	for _, photo := range list {
		at += 512 + (int64(len(photo.bytes))+511)/512*512 // behind its header
		p.end = append(p.end, at)
	}
	return p
}

// key is the image that n bytes of an object belong to; "" if they are not of one alone.
func (p places) key(object string, offset int64, n int) string {
	if key, ok := strings.CutPrefix(object, "photos/"); ok {
		return key
	}
	i, _ := slices.BinarySearch(p.end, offset+1)
	if i == len(p.end) || offset+int64(n) > p.end[i] {
		return ""
	}
	return p.list[i].key
}
