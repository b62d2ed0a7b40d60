package datasets

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/goclr/goclr/pipeline"
)

// maxDepth bounds the walk through a folder, which follows links and so may run in circles.
const maxDepth = 16

// A folder is a Dataset of files on disk, in the order of their names.
type folder struct {
	dir string
	*index
}

func openFolder(ctx context.Context, dir, split string) (Dataset, error) {
	files, err := walk(ctx, nil, dir, "", 0)
	if err != nil {
		return nil, fmt.Errorf("open dataset: %w", err)
	}
	if layout, sub := findCIFAR(files); layout != nil {
		d, err := openCIFAR(ctx, layout, split, readFromFolder(filepath.Join(dir, filepath.FromSlash(sub))))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		return d, nil
	}
	x, err := newIndex(files, split)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return &folder{dir, x}, nil
}

// walk appends the regular files of root/dir and below, sorted by name, links followed.
func walk(ctx context.Context, files []file, root, dir string, depth int) ([]file, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: more than %d folders deep; is there a link to a folder above?", dir, maxDepth)
	}
	entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(dir)))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name := path.Join(dir, e.Name())
		if isHidden(e.Name()) {
			continue
		}
		info, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		switch {
		case info.IsDir():
			if files, err = walk(ctx, files, root, name, depth+1); err != nil {
				return nil, err
			}
		case info.Mode().IsRegular():
			files = append(files, file{name: name, size: info.Size()})
		}
	}
	return files, nil
}

func (d *folder) Len() int            { return len(d.files) }
func (d *folder) Classes() []string   { return d.classes }
func (d *folder) Fingerprint() string { return d.fingerprint() }
func (d *folder) Close() error        { return nil }

func (d *folder) Read(_ context.Context, i int, s *pipeline.Sample) error {
	if err := d.describe(i, s); err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(d.dir, filepath.FromSlash(s.Key)))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > MaxImageBytes {
		return tooLarge(s.Key, info.Size())
	}
	b := s.Buffer(int(info.Size()))
	if _, err := io.ReadFull(f, b); err != nil {
		return fmt.Errorf("read %s: %w", s.Key, err)
	}
	s.Bytes = b
	return nil
}

func tooLarge(key string, size int64) error {
	return fmt.Errorf("%s: %d bytes encoded, more than the %d allowed", key, size, MaxImageBytes)
}
