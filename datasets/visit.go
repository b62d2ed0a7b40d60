package datasets

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/panics"

	"github.com/goclr/goclr/pipeline"
)

// Visit reads all images of a dataset and calls visit with each, from so many goroutines at once, in no order. More are
// read at once where that waits for a store. Where an image cannot be read, err says why and the sample holds what is known of it. The sample
// is valid until visit returns. The error of Visit is that of ctx, or a *pipeline.SourceError of the dataset, with which visit is not called.
func Visit(ctx context.Context, d Dataset, workers int, visit func(i int, s *pipeline.Sample, err error)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var group conc.WaitGroup
	r := newReading(d, workers)
	seen := make(chan *pipeline.Sample, r.atOnce) // not in use; visits decode into them, so there are no more than visits at once
	one := func(i int, s *pipeline.Sample) {
		end, err := r.begin(ctx, i)
		if err != nil {
			return
		}
		defer end()
		err = readSafely(ctx, d, i, s)
		if failsWhole(err) {
			stop(err)
		}
		_ = r.look(ctx, func() error {
			if ctx.Err() != nil { // that may be why it cannot be read
				return nil
			}
			var v *pipeline.Sample
			select {
			case v = <-seen:
			default:
				v = pipeline.NewSample(ctx, pipeline.Key{})
			}
			v.ID, v.Label, v.Key, v.Bytes = s.ID, s.Label, s.Key, s.Bytes
			visit(i, v, err)
			seen <- v
			return nil
		})
	}
	for range r.atOnce {
		group.Go(func() {
			s := pipeline.NewSample(ctx, pipeline.Key{})
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= d.Len() {
					return
				}
				if one(i, s); !r.keeps(s) {
					s = pipeline.NewSample(ctx, pipeline.Key{})
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// failsWhole reports whether an error is of a dataset as a whole, and no image's.
func failsWhole(err error) bool {
	var e *pipeline.SourceError
	return errors.As(err, &e)
}

// readSafely reads image i into a sample used before. A panic of the source is an error.
func readSafely(ctx context.Context, src pipeline.Source, i int, s *pipeline.Sample) (err error) {
	s.ID, s.Label, s.Key, s.Bytes = uint64(i), -1, "", nil
	if caught := panics.Try(func() { err = src.Read(ctx, i, s) }); caught != nil {
		return fmt.Errorf("panic: %v", caught.Value)
	}
	if err == nil && s.Bytes == nil {
		s.Bytes = []byte{} // given, though empty
	}
	return err
}
