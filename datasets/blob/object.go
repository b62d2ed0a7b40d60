package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"gocloud.dev/blob"

	"github.com/goclr/goclr/datasets/internal/retry"
)

// An object is read by requests for parts of it, or through a stream where reads follow one another.
type object struct {
	bucket  *bucket
	name    string
	size    int64
	version version

	mu     sync.Mutex
	stream *stream // nil: none, or in use
	next   int64   // where the last read ended
}

// A stream is the answer to a request.
type stream struct {
	reader *blob.Reader
	watch  *watch
	at     int64 // offset of what comes next
}

// request asks for length bytes, or all if length is negative, of the version that was opened. Its errors are for retry.Do.
func (o *object) request(ctx context.Context, offset, length int64) (*stream, error) {
	b := o.bucket
	w := b.patience.watch(ctx)
	defer w.pause()
	r, err := b.store.NewRangeReader(w.ctx, b.prefix+o.name, offset, length, &blob.ReaderOptions{BeforeRead: o.version.ask})
	if err == nil && o.version.known() {
		if got := versionOf(r); !got.equal(o.version) {
			err = errReplaced
			r.Close()
		}
	}
	if err != nil {
		err = w.cause(err)
		w.end()
		return nil, judge(err)
	}
	return &stream{r, w, offset}, nil
}

// read fills p with what comes next. Its errors are for retry.Do.
func (s *stream) read(ctx context.Context, p []byte) (n int, err error) {
	s.watch.begin(ctx)
	defer s.watch.pause()
	for n < len(p) && err == nil {
		var k int
		k, err = s.reader.Read(p[n:])
		n += k
		s.watch.came()
	}
	s.at += int64(n)
	if n == len(p) {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, s.watch.cause(err)
}

func (s *stream) close() {
	s.watch.end()
	s.reader.Close() // nothing is written, so there is no error that matters
}

// ReadAt implements datasets.Object.
func (o *object) ReadAt(ctx context.Context, p []byte, offset int64) (n int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if offset < 0 {
		return 0, o.bucket.explain(o.name, fmt.Errorf("read at offset %d", offset))
	}
	if offset >= o.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), o.size-offset)]
	err = retry.Do(ctx, o.bucket.patience.policy, func(ctx context.Context) error {
		k, err := o.fill(ctx, want[n:], offset+int64(n))
		n += k
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = errReplaced
	}
	if err != nil {
		return n, o.bucket.blame(o.name, err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// fill reads once. It leaves the stream open where what follows may be read next.
func (o *object) fill(ctx context.Context, p []byte, offset int64) (int, error) {
	s, goesOn := o.take(offset)
	if s == nil {
		length := int64(len(p))
		if goesOn {
			length = -1
		}
		var err error
		if s, err = o.request(ctx, offset, length); err != nil {
			return 0, err
		}
	}
	n, err := s.read(ctx, p)
	o.put(s, err == nil && goesOn)
	return n, err
}

// take returns the stream if it stands at an offset, and says whether the read that ended last did. A stream that stands elsewhere ends.
func (o *object) take(offset int64) (s *stream, goesOn bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, o.stream = o.stream, nil
	if s != nil && s.at != offset {
		s.close()
		s = nil
	}
	return s, offset == o.next
}

// put ends a stream, or keeps it for the next read.
func (o *object) put(s *stream, keep bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = s.at
	if !keep || s.at >= o.size || o.stream != nil {
		s.close()
		return
	}
	o.stream = s
}

// Size implements datasets.Object.
func (o *object) Size() int64 { return o.size }

// Close implements datasets.Object.
func (o *object) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stream != nil {
		o.stream.close()
		o.stream = nil
	}
	return nil
}
