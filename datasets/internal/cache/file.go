package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
)

// A File is an open object of a cache. Its content does not change. Many goroutines may read it at once.
type File struct {
	cache  *Cache
	key    string
	entry  *entry
	size   int64
	closed atomic.Bool
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	if f.closed.Load() {
		return 0, os.ErrClosed
	}
	return f.entry.file.ReadAt(p, offset)
}

// Size is the number of bytes.
func (f *File) Size() int64 { return f.size }

// Fd is the file's descriptor, for mapping it into memory to read. It is valid until Close; a mapping lasts longer.
func (f *File) Fd() uintptr { return f.entry.file.Fd() }

// Reject says that the content was found to be wrong, as by a disk that fails: the next Get fetches it again. Other Files of the
// object stay open, as f does.
func (f *File) Reject(ctx context.Context) error {
	defer f.cache.forget(f.key, f.entry)
	dir, unlock, err := f.cache.lockFolder(ctx)
	if err != nil {
		return err
	}
	defer dir.close()
	defer unlock()
	if !dir.holds(f.key+ready, f.entry.file) {
		return nil // it is gone already
	}
	if err := dir.root.Remove(f.key + ready); !errors.Is(err, fs.ErrNotExist) { // or else the folder is deleted at this moment
		return f.cache.explain(err)
	}
	return nil
}

// Close ends the use of the file. Closing it again does nothing.
func (f *File) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	return f.cache.leave(f.key, f.entry)
}
