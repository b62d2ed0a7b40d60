package pipeline

import (
	"context"
	"sync/atomic"
)

// A Prefetcher is a Source that can read ahead, because it waits for a disk or a network.
type Prefetcher interface {
	// Prefetch announces images that will be read soon, a batch at a time and in order. It is called from one goroutine,
	// beside the workers, and may wait; a batch that workers have begun meanwhile is left out. ids is the Source's to
	// keep. Images that stand in for bad ones are read without being announced.
	Prefetch(ctx context.Context, ids []int)
}

// announcer calls Prefetch for the batches after the one that the feeder has reached.
type announcer struct {
	p     *Pipeline
	pre   Prefetcher
	next  int // the first step not yet announced
	ahead int
	last  int // the step after the last, or -1
	steps chan int
	fed   atomic.Int64 // the step that the feeder has reached
}

func newAnnouncer(p *Pipeline, pre Prefetcher, from int) *announcer {
	ahead := p.options.Prefetch
	last := -1
	if p.options.Epochs > 0 {
		last = p.order.steps() * p.options.Epochs
	}
	return &announcer{p: p, pre: pre, next: from, ahead: ahead, last: last, steps: make(chan int, ahead+1)}
}

// reached is told by the feeder which step it is about to feed. It does not wait.
func (a *announcer) reached(step int) {
	a.fed.Store(int64(step))
	a.next = max(a.next, step)
	for a.next <= step+a.ahead && a.next != a.last {
		select {
		case a.steps <- a.next:
			a.next++
		default:
			return
		}
	}
}

func (a *announcer) run(ctx context.Context) {
	for {
		select {
		case n := <-a.steps:
			if int64(n) >= a.fed.Load() {
				a.pre.Prefetch(ctx, a.p.ids(n))
			}
		case <-ctx.Done():
			return
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
