package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/panics"
)

// Batches returns this rank's part of global batch number from, from+1 and so on, to the end of the last epoch, or without
// end when Options.Epochs is 0. To resume a run, start at the step it stopped at: the records are the same.
//
// A record is valid until the loop body ends; Retain it to keep it, and Release it then. A non-nil error is the last thing
// yielded: the cause of ctx, or that too many samples are bad. All goroutines are those of the loop: once it has ended,
// by its end, break, return, panic or error, none is left and all memory of records not retained is free.
func (p *Pipeline) Batches(ctx context.Context, from int) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		if from < 0 {
			yield(nil, fmt.Errorf("pipeline: Batches from step %d; steps count from 0", from))
			return
		}
		l := newLoop(ctx, p)
		defer l.close()
		l.start(from)
		l.consume(yield)
	}
}

// A batch is this rank's rows of a global batch while workers fill them.
type batch struct {
	step  int
	span  span
	first int // row of the global batch that is row 0 of the block
	block *block
	left  atomic.Int64  // rows to fill
	done  chan struct{} // closed when none is left

	mu  sync.Mutex
	bad []badSample
}

// badSample is one failed try to fill a row.
type badSample struct {
	row  int
	last bool // there was no other to try: the row is empty
	err  *SampleError
}

// A job is one row to fill.
type job struct {
	batch *batch
	row   int // in the block
}

// A loop is one range over Batches. One feeder allocates batches in order and deals out their rows, workers fill rows in
// any order, and the goroutine that ranges waits for the oldest batch. Slots bound the batches that exist at once.
type loop struct {
	p       *Pipeline
	ctx     context.Context
	cancel  context.CancelCauseFunc
	group   conc.WaitGroup
	slots   chan struct{} // one taken for each batch, and for each that there may not be, see setKnobs
	jobs    chan job      // room for the rows of all batches: a feeder that wakes for each would cost more than the channel
	retire  chan struct{} // ends one worker; has room for all
	pending chan *batch   // in order; never blocks, as it has room for all slots
	fed     bool          // set before pending is closed: it was fed to the end
	current *batch        // taken from pending, not yet released
	budget  budget
	pool    pool
	tuning  tuning
}

func newLoop(ctx context.Context, p *Pipeline) *loop {
	start := knobs{p.options.Workers, p.options.Prefetch}
	most := start
	var t *tuner
	if p.options.Tune {
		t = newTuner(start, cpus())
		most = t.most
	}
	l := &loop{
		p:       p,
		slots:   make(chan struct{}, most.prefetch+1),
		jobs:    make(chan job, (most.prefetch+1)*p.options.Batch/p.options.World),
		retire:  make(chan struct{}, most.workers),
		pending: make(chan *batch, most.prefetch+1),
		tuning:  tuning{tuner: t, takes: observationTakes, began: time.Now()},
		budget:  budget{max: p.options.MaxBad},
		pool:    pool{Allocator: p.options.Allocator},
	}
	for range most.prefetch - start.prefetch {
		l.slots <- struct{}{}
	}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	return l
}

// start starts the goroutines.
func (l *loop) start(from int) {
	announce := func(int) {}
	if pre, ok := l.p.source.(Prefetcher); ok {
		a := newAnnouncer(l.p, pre)
		announce = a.reached
		l.spawn(func() { a.run(l.ctx) })
	}
	l.spawn(func() { l.feed(from, announce) })
	for range l.p.options.Workers {
		l.hire()
	}
	l.p.stats.setKnobs(knobs{l.p.options.Workers, l.p.options.Prefetch})
}

// hire starts a worker.
func (l *loop) hire() {
	l.spawn(func() { newWorker(l.ctx, l.p).run(l.jobs, l.retire) })
}

// spawn runs f in a goroutine of the loop. When f does not return but panics or ends its goroutine, the loop ends.
func (l *loop) spawn(f func()) {
	l.group.Go(func() {
		err := errors.New("pipeline: a stage ended the goroutine of a worker (runtime.Goexit, as testing.T.FailNow does)")
		defer func() {
			if err != nil {
				l.cancel(err)
			}
		}()
		err = panics.Try(f).AsError()
	})
}

// close ends all goroutines and frees what nobody took.
func (l *loop) close() {
	l.cancel(nil)
	l.group.Wait()
	if l.current != nil {
		l.current.block.release()
	}
	for b := range l.pending {
		b.block.release()
	}
	l.pool.close()
}

// feed makes batches and deals out their rows until the epochs or the loop end.
func (l *loop) feed(from int, announce func(step int)) {
	defer close(l.pending)
	defer close(l.jobs)
	p := l.p
	for n := from; n < p.end(); n++ {
		announce(n)
		start := time.Now()
		select {
		case l.slots <- struct{}{}:
		case <-l.ctx.Done():
			return
		}
		p.stats.feederWait.Add(int64(time.Since(start)))
		b := p.newBatch(n, &l.pool)
		l.pending <- b
		for row := range b.block.rows {
			select {
			case l.jobs <- job{b, row}:
			case <-l.ctx.Done():
				return
			}
		}
	}
	l.fed = true
}

// end is the step after the last one.
func (p *Pipeline) end() int {
	if p.options.Epochs == 0 {
		return math.MaxInt
	}
	return p.order.steps() * p.options.Epochs
}

// newBatch returns batch n, empty.
func (p *Pipeline) newBatch(n int, alloc memory.Allocator) *batch {
	b := &batch{step: n, span: p.order.span(n), done: make(chan struct{})}
	first, end := p.order.share(&b.span)
	b.first = first
	b.block = p.newBlock(alloc, end-first)
	b.left.Store(int64(end - first))
	if end == first {
		close(b.done)
	}
	return b
}

// filled notes that one more row is filled.
func (b *batch) filled() {
	if b.left.Add(-1) == 0 {
		close(b.done)
	}
}

// fail notes a failed try.
func (b *batch) fail(s badSample) {
	b.mu.Lock()
	b.bad = append(b.bad, s)
	b.mu.Unlock()
}

// consume yields the batches in order.
func (l *loop) consume(yield func(arrow.Record, error) bool) {
	stats := &l.p.stats
	for {
		start := time.Now()
		rec, err := l.next()
		waited := time.Since(start)
		stats.consumerWait.Add(int64(waited))
		l.tuning.waited += waited
		if err != nil {
			yield(nil, err)
			return
		}
		if rec == nil {
			return
		}
		stats.batches.Add(1)
		start = time.Now()
		samples := int(rec.NumRows())
		more := l.yield(rec, yield)
		stats.consumerBusy.Add(int64(time.Since(start)))
		if !more {
			return
		}
		l.tune(samples)
	}
}

// yield lends the record to the loop body.
func (l *loop) yield(rec arrow.Record, yield func(arrow.Record, error) bool) bool {
	defer func() {
		rec.Release()
		l.freeSlot()
	}()
	return yield(rec, nil)
}

// next waits for the oldest batch and returns its record, or nil at the end of the last epoch.
func (l *loop) next() (arrow.Record, error) {
	select {
	case b, ok := <-l.pending:
		if !ok && l.fed {
			return nil, nil
		}
		if !ok { // the feeder was stopped
			<-l.ctx.Done()
			return nil, context.Cause(l.ctx)
		}
		l.current = b
	case <-l.ctx.Done():
		return nil, context.Cause(l.ctx)
	}
	b := l.current
	select {
	case <-b.done:
	case <-l.ctx.Done():
	}
	if l.ctx.Err() != nil { // before the errors of stages that waited for it
		return nil, context.Cause(l.ctx)
	}
	if err := l.account(b); err != nil {
		return nil, err
	}
	rec := b.block.record(l.p.schema)
	b.block.release()
	l.current = nil
	return rec, nil
}

// account reports the bad samples of a full batch in order of rows and returns an error when they end the run.
func (l *loop) account(b *batch) error {
	slices.SortStableFunc(b.bad, func(x, y badSample) int { return cmp.Compare(x.row, y.row) }) // a row's tries are in order
	good := b.block.rows
	var empty, last *SampleError
	for _, s := range b.bad {
		if endsRun(s.err) {
			return fmt.Errorf("pipeline: batch %d: %w", b.step, s.err)
		}
		if l.p.options.OnBad != nil {
			l.p.options.OnBad(s.err)
		}
		last = s.err
		if s.last {
			good--
			empty = s.err
		}
	}
	l.p.stats.samples.Add(int64(good))
	l.p.stats.bad.Add(int64(len(b.bad)))
	if err := l.budget.spend(good+len(b.bad), len(b.bad), last); err != nil {
		return err
	}
	if empty != nil {
		return fmt.Errorf("pipeline: batch %d has a bad sample for which no substitute is left: of %d images, up to %d "+
			"outside the batch are tried; remove the bad images or make the batch smaller: %w",
			b.step, l.p.order.images, maxTries-1, empty)
	}
	return nil
}
