package cache

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/goclr/goclr/datasets/internal/retry"
)

// extents writes to a file of a fixed size and keeps account of what was written: the file is that large before the first byte, so
// its size does not tell.
type extents struct {
	file    *os.File
	size    int64
	explain func(error) error // of the file

	writing sync.RWMutex // held by end once no write goes on
	ended   bool

	mu      sync.Mutex
	written []extent // apart from each other, ascending
}

// An extent is the bytes from begin to before end.
type extent struct{ begin, end int64 }

// run calls fetch, of which no write is left afterwards, however it ends.
func (x *extents) run(ctx context.Context, fetch Fetch) (err error) {
	defer func() {
		if short := x.end(); err == nil {
			err = short
		}
	}()
	return fetch(ctx, x)
}

// WriteAt implements io.WriterAt. Its errors are permanent.
func (x *extents) WriteAt(p []byte, offset int64) (int, error) {
	x.writing.RLock()
	defer x.writing.RUnlock()
	if x.ended {
		return 0, retry.Permanent(os.ErrClosed)
	}
	if offset < 0 || offset > x.size-int64(len(p)) {
		return 0, retry.Permanent(fmt.Errorf("%d bytes written at offset %d, but the object has only %d: it is not the one that was asked for",
			len(p), offset, x.size))
	}
	n, err := x.file.WriteAt(p, offset)
	if n > 0 {
		x.add(extent{offset, offset + int64(n)})
	}
	if err != nil {
		err = retry.Permanent(x.explain(err))
	}
	return n, err
}

// add merges an extent into those written.
func (x *extents) add(e extent) {
	x.mu.Lock()
	defer x.mu.Unlock()
	first, _ := slices.BinarySearchFunc(x.written, e.begin, func(w extent, begin int64) int { return cmp.Compare(w.end, begin) })
	last := first
	for last < len(x.written) && x.written[last].begin <= e.end {
		e.begin = min(e.begin, x.written[last].begin)
		e.end = max(e.end, x.written[last].end)
		last++
	}
	x.written = slices.Replace(x.written, first, last, e)
}

// end waits for writes that go on and refuses later ones. It returns io.ErrUnexpectedEOF, with numbers, unless all was written.
func (x *extents) end() error {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.ended = true
	var sum int64
	for _, e := range x.written {
		sum += e.end - e.begin
	}
	if sum < x.size {
		return fmt.Errorf("%d of its %d bytes were fetched: %w", sum, x.size, io.ErrUnexpectedEOF)
	}
	return nil
}
