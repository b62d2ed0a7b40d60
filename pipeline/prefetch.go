package pipeline

import (
	"context"
	"sync/atomic"
)

// A Prefetcher is a Source that can read ahead, because it waits for a disk or a network.
type Prefetcher interface {
	// Prefetch announces images that will be read soon, a batch at a time and in order. It is called from one goroutine,
	// beside the workers, and may wait, until ctx ends; a batch that workers have begun meanwhile is left out. ids is the
	// Source's to keep. Images that stand in for bad ones are read without being announced. With Options.Window all is announced
	// a block sooner, so that the next block can be fetched while one is used up.
	Prefetch(ctx context.Context, ids []int)
}

// announcer calls Prefetch for the batch that the feeder has reached and those after it.
type announcer struct {
	p     *Pipeline
	pre   Prefetcher
	ahead int          // batches after the one that the feeder has reached
	fed   atomic.Int64 // the step that the feeder has reached
	wake  chan struct{}
}

func newAnnouncer(p *Pipeline, pre Prefetcher) *announcer {
	ahead := p.options.Prefetch
	if w := p.options.Window; w > 0 {
		_, block := cutWindow(w)
		ahead += (block + p.options.Batch - 1) / p.options.Batch
	}
	return &announcer{p: p, pre: pre, ahead: ahead, wake: make(chan struct{}, 1)}
}

// reached is told by the feeder which step it is about to feed. It does not wait.
func (a *announcer) reached(step int) {
	a.fed.Store(int64(step))
	select {
	case a.wake <- struct{}{}:
	default: // it is awake and looks at fed again
	}
}

func (a *announcer) run(ctx context.Context) {
	for next := 0; ; {
		select {
		case <-a.wake:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil {
			fed := int(a.fed.Load())
			next = max(next, fed)
			if next > fed+a.ahead || next >= a.p.end() {
				break
			}
			a.pre.Prefetch(ctx, a.p.ids(next))
			next++
		}
	}
}

// ids returns the images of this rank's rows of batch n.
func (p *Pipeline) ids(n int) []int {
	s := p.order.span(n)
	first, end := p.order.share(&s)
	ids := make([]int, 0, end-first)
	for row := first; row < end; row++ {
		id, _ := p.order.image(&s, row, 0)
		ids = append(ids, id)
	}
	return ids
}
