package datasets

import (
	"context"

	"golang.org/x/sync/semaphore"

	"github.com/goclr/goclr/pipeline"
)

// Images of a store are read many at once, however few are looked at: a request takes some tens of milliseconds, most of which are no
// work for a core.
const (
	farReads  = 64
	farBytes  = 256 << 20 // that they may take in memory
	guessSize = 1 << 20   // of an image whose size is not known before it is read
)

// A distant dataset waits for a store when it reads an image.
type distant interface{ isDistant() bool }

func isDistant(d Dataset) bool {
	far, ok := d.(distant)
	return ok && far.isDistant()
}

// storedSize returns the bytes of image i as it is encoded, where a dataset knows that before it is read.
func storedSize(d Dataset, i int) (int64, bool) {
	if d, ok := d.(interface{ storedSize(i int) (int64, bool) }); ok {
		return d.storedSize(i)
	}
	return 0, false
}

// A reading says how many images of a dataset are read, and how many of them looked at, at the same time.
type reading struct {
	src    Dataset
	atOnce int
	memory *semaphore.Weighted // nil: as many as are read fit
	looks  *semaphore.Weighted // nil: as many as are read
}

func newReading(src Dataset, workers int) *reading {
	r := &reading{src: src, atOnce: max(workers, 1)}
	if isDistant(src) && r.atOnce < farReads {
		r.memory, r.looks = semaphore.NewWeighted(farBytes), semaphore.NewWeighted(int64(r.atOnce))
		r.atOnce = farReads
	}
	return r
}

// begin waits for the memory of image i, and returns what gives it back. Where images are given back in order, it must be called in that order.
func (r *reading) begin(ctx context.Context, i int) (end func(), err error) {
	if r.memory == nil {
		return func() {}, nil
	}
	size, known := storedSize(r.src, i)
	if !known {
		size = guessSize
	}
	if err := r.memory.Acquire(ctx, size); err != nil {
		return nil, err
	}
	return func() { r.memory.Release(size) }, nil
}

// look calls f when it is an image's turn to be looked at. The error is f's, or that of ctx.
func (r *reading) look(ctx context.Context, f func() error) error {
	if r.looks != nil {
		if err := r.looks.Acquire(ctx, 1); err != nil {
			return err
		}
		defer r.looks.Release(1)
	}
	return f()
}

// keeps reports whether a sample may be read into again. Else its buffer, which only grows, would come to be that of the largest image, and
// those of all samples more than farBytes.
func (r *reading) keeps(s *pipeline.Sample) bool {
	return r.memory == nil || cap(s.Buffer(0)) <= farBytes/farReads
}
