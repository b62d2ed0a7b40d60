package pipeline

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
)

// Replay makes again what the given images were in an epoch, in a record with a row for each: the bytes that Batches yields
// for them, whichever batch they are in. It works in the calling goroutine. Release the record in the end. A bad image is an
// error, a *SampleError.
//
// A row of a batch that a substitute filled has the substitute's id: Replay that.
func (p *Pipeline) Replay(ctx context.Context, epoch uint64, ids ...uint64) (arrow.Record, error) {
	b := p.newBlock(p.options.Allocator, len(ids))
	defer b.release()
	w := newWorker(ctx, p)
	for row, id := range ids {
		if id >= uint64(p.order.images) {
			return nil, fmt.Errorf("pipeline: there is no image %d: the source has %d, counted from 0", id, p.order.images)
		}
		w.image, w.epoch, w.row = int(id), epoch, b.row(row)
		if err := w.apply(); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, err
		}
		b.set(row, id, w.label, w.params)
	}
	return b.record(p.schema), nil
}
