package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A photo is an image of a collection.
type photo struct {
	key   string
	bytes []byte
}

// photos reads at most n images of an archive, with keys class/name.
func (b *bench) photos(archive string, n int) (list []photo, err error) {
	f, err := os.Open(filepath.Join(b.data, archive))
	if err != nil {
		return nil, fmt.Errorf("%w: say with -data where it is", err)
	}
	defer f.Close()
	for r := tar.NewReader(f); len(list) < n; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		folders := strings.Split(path.Dir(h.Name), "/")
		list = append(list, photo{path.Join(folders[len(folders)-1], path.Base(h.Name)), content})
	}
	return list, nil
}

// spoil makes a share of the images bad: cut short, or no image at all.
func spoil(list []photo, share float64, random *rand.Rand) (bad int) {
	for i := range list {
		if random.Float64() >= share {
			continue
		}
		bad++
		if b := list[i].bytes; random.IntN(2) == 0 {
			list[i].bytes = b[:len(b)/2]
		} else {
			list[i].bytes = bytes.Repeat([]byte("no image "), 1+random.IntN(50))
		}
	}
	return bad
}

// tarOf writes images as an archive.
func tarOf(list []photo) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, p := range list {
		if err := w.WriteHeader(&tar.Header{Name: p.key, Mode: 0o644, Size: int64(len(p.bytes)), Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
		if _, err := w.Write(p.bytes); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// spoiledTar writes an archive of the work folder with at most n images of another, of which a share is bad.
func (b *bench) spoiledTar(archive string, n int, share float64) (name string, bad int, err error) {
	list, err := b.photos(archive, n)
	if err != nil {
		return "", 0, err
	}
	bad = spoil(list, share, b.random("spoil "+archive))
	content, err := tarOf(list)
	if err != nil {
		return "", 0, err
	}
	name = filepath.Join(b.work, fmt.Sprintf("%d-%s", len(list), archive))
	return name, bad, os.WriteFile(name, content, 0o644)
}
