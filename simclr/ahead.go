package simclr

import (
	"context"
	"iter"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/sourcegraph/conc"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/pipeline"
)

// ahead is p.Batches up to step end for the steps of a program. If that is a Stager, the next batch is taken and staged while the loop
// body runs. Then too a record is valid until the body ends, an error is the last thing yielded, and no goroutine outlives the loop.
func ahead(ctx context.Context, p *pipeline.Pipeline, program backends.Program, from, end int) iter.Seq2[arrow.Record, error] {
	s, ok := program.(backends.Stager)
	if !ok {
		return p.Batches(ctx, from)
	}
	return func(yield func(arrow.Record, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		batches := make(chan arrow.Record) // without room: one batch is ahead, not two
		var failed error                   // set before batches is closed
		var group conc.WaitGroup
		defer group.Wait()
		defer cancel()
		group.Go(func() {
			defer close(batches)
			failed = stageBatches(ctx, p, s, from, end, batches)
		})
		for batch := range batches {
			if !lend(batch, yield) {
				return
			}
		}
		if failed != nil {
			yield(nil, failed)
		}
	}
}

// stageBatches sends the batches, each staged and retained for who receives it.
func stageBatches(ctx context.Context, p *pipeline.Pipeline, s backends.Stager, from, end int, to chan<- arrow.Record) error {
	for batch, err := range p.Batches(ctx, from) {
		if err != nil {
			return err
		}
		if err := s.Stage(ctx, batch); err != nil {
			return err
		}
		batch.Retain()
		select {
		case to <- batch:
		case <-ctx.Done():
			batch.Release()
			return context.Cause(ctx)
		}
		if from++; from == end {
			break
		}
	}
	return nil
}

// lend gives the loop body a batch and releases it.
func lend(batch arrow.Record, yield func(arrow.Record, error) bool) bool {
	defer batch.Release()
	return yield(batch, nil)
}
