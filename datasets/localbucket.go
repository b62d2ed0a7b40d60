package datasets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
)

// A localBucket holds the regular files of a folder and of those below, links followed. Hidden files are left out.
type localBucket struct{ dir string }

func (b localBucket) List(ctx context.Context) iter.Seq2[ObjectInfo, error] {
	return func(yield func(ObjectInfo, error) bool) {
		w := walker{ctx: ctx, dir: b.dir, yield: yield}
		if err := w.walk("", nil); err != nil && !errors.Is(err, errStopped) {
			yield(ObjectInfo{}, err)
		}
	}
}

// errStopped ends a walk whose files are not wanted any more.
var errStopped = errors.New("stopped")

type walker struct {
	ctx   context.Context
	dir   string
	yield func(ObjectInfo, error) bool
}

// walk yields the files of a folder and of those below it, in the order of their names. The folders above are those that it was
// found through.
func (w *walker) walk(name string, above []os.FileInfo) (err error) {
	here, err := os.Stat(w.path(name))
	if err != nil {
		return err
	}
	for _, folder := range above {
		if os.SameFile(folder, here) {
			return fmt.Errorf("%s is a link to a folder above it: remove it, or images would repeat without end", name)
		}
	}
	above = append(above, here)
	folder, err := readFolder(w.ctx, w.path(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.close()) }()
	for _, place := range folder.places {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.entry(path.Join(name, string(folder.name(place))), above); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(name string, above []os.FileInfo) error {
	info, err := os.Stat(w.path(name))
	if errors.Is(err, fs.ErrNotExist) && isImage(name) { // a link to nothing, or gone by now: what reads it will say so
		if !w.yield(ObjectInfo{name, 0}, nil) {
			return errStopped
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: remove it, or bring back what it leads to", err)
	}
	switch {
	case info.IsDir():
		return w.walk(name, above)
	case info.Mode().IsRegular():
		if !w.yield(ObjectInfo{name, info.Size()}, nil) {
			return errStopped
		}
	}
	return nil
}

func (w *walker) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

func (b localBucket) Open(_ context.Context, name string) (Object, error) {
	return openLocal(filepath.Join(b.dir, filepath.FromSlash(name)))
}

func (localBucket) Close() error { return nil }

// A localObject is an open file.
type localObject struct {
	file *os.File
	size int64
}

func openLocal(name string) (Object, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &localObject{f, info.Size()}, nil
}

func (o *localObject) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return o.file.ReadAt(p, offset)
}

func (o *localObject) Size() int64  { return o.size }
func (o *localObject) Close() error { return o.file.Close() }
