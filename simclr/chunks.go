package simclr

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
)

// stepInChunks is backends.Program.Step for a batch of several chunks, by gradient caching (Gao et al. 2021, arXiv 2101.06983):
// all projections first, then the gradient of the loss with respect to each, then the network once more, forward and backward.
func (t *training) stepInChunks(ctx context.Context, batch arrow.Record, rate float32) (backends.Metrics, error) {
	var z []float32
	dim := 0
	err := t.eachChunk(batch, func(chunk arrow.Record, _ int) error {
		e, err := t.program.Embed(ctx, chunk, backends.Train)
		z, dim = append(z, e.Data...), e.Dim
		return err
	})
	if err != nil {
		return backends.Metrics{}, err
	}
	m, gradient, err := newContrast(z, dim, t.Model.Temperature).compute(ctx)
	if err != nil {
		return backends.Metrics{}, err
	}
	err = t.eachChunk(batch, func(chunk arrow.Record, first int) error {
		return t.program.Backward(ctx, chunk, gradient[2*first*dim:][:2*t.Chunk*dim])
	})
	if err != nil {
		return backends.Metrics{}, err
	}
	return m, t.program.Update(rate)
}

// eachChunk calls do with each chunk of the batch and the index of its first image.
func (t *training) eachChunk(batch arrow.Record, do func(chunk arrow.Record, first int) error) error {
	for first := 0; first < int(batch.NumRows()); first += t.Chunk {
		chunk := batch.NewSlice(int64(first), int64(first+t.Chunk))
		err := do(chunk, first)
		chunk.Release()
		if errors.Is(err, backends.ErrUnsupported) {
			return fmt.Errorf("a batch in chunks: %w; use the whole batch at once, or another backend", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
