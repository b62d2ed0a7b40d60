package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/pipeline"
)

// Whatever ends a loop, no memory and (see TestMain) no goroutine outlives it.
func TestNothingOutlivesTheLoop(t *testing.T) {
	slow := pipeline.Named("Slow", pipeline.StageFunc(func(s *pipeline.Sample) error {
		time.Sleep(20 * time.Microsecond)
		return nil
	}))
	spoilt := broken{counting{100}, func(i int) bool { return i%5 == 0 }}
	for _, c := range []struct {
		name string
		src  pipeline.Source
		loop func(t *testing.T, p *pipeline.Pipeline)
	}{
		{"run to the end", counting{100}, func(t *testing.T, p *pipeline.Pipeline) {
			n := 0
			for rec, err := range p.Batches(context.Background(), 0) {
				if err != nil || rec.NumRows() != 8 {
					t.Error(rec, err)
				}
				n++
			}
			if n != 24 {
				t.Errorf("%d batches, want 24", n)
			}
		}},
		{"begin behind the end", counting{100}, func(t *testing.T, p *pipeline.Pipeline) {
			for rec, err := range p.Batches(context.Background(), 24) {
				t.Error("yielded", rec, err)
			}
		}},
		{"break at once", counting{100}, func(t *testing.T, p *pipeline.Pipeline) {
			for range p.Batches(context.Background(), 0) {
				break
			}
		}},
		{"break later", counting{100}, func(t *testing.T, p *pipeline.Pipeline) {
			n := 0
			for range p.Batches(context.Background(), 3) {
				if n++; n == 5 {
					break
				}
			}
		}},
		{"panic in the body", counting{100}, func(t *testing.T, p *pipeline.Pipeline) {
			defer func() {
				if r := recover(); r != any(errInjected) { // the very value, not one that wraps it
					t.Errorf("recovered %v", r)
				}
			}()
			for range p.Batches(context.Background(), 0) {
				panic(errInjected)
			}
		}},
		{"cancel before", counting{100}, func(t *testing.T, p *pipeline.Pipeline) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			wantOneError(t, p, ctx, context.Canceled, nil)
		}},
		{"cancel in the body", counting{100}, func(t *testing.T, p *pipeline.Pipeline) {
			ctx, cancel := context.WithCancelCause(context.Background())
			wantOneError(t, p, ctx, errInjected, func() { cancel(errInjected) })
		}},
		{"cancel while waiting", counting{1 << 20}, func(t *testing.T, p *pipeline.Pipeline) { // not over before its time
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Microsecond)
			defer cancel()
			wantOneError(t, p, ctx, context.DeadlineExceeded, nil)
		}},
		{"too many bad samples", spoilt, func(t *testing.T, p *pipeline.Pipeline) {
			wantOneError(t, p, context.Background(), errInjected, nil)
		}},
		{"negative step", counting{100}, func(t *testing.T, p *pipeline.Pipeline) {
			n := 0
			for _, err := range p.Batches(context.Background(), -1) {
				if n++; err == nil || n > 1 {
					t.Errorf("yield %d is %v", n, err)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
			defer mem.AssertSize(t, 0)
			o := pipeline.Options{Batch: 8, Epochs: 2, Workers: 3, MaxBad: -1, Allocator: mem}
			c.loop(t, mustNew(t, c.src, o, unpack{Size: 2}, slow, pipeline.Pair(noise{Most: 3})))
		})
	}
}

// wantOneError ranges over p and calls body for each batch; the last yield must be the error want, and the only one.
func wantOneError(t *testing.T, p *pipeline.Pipeline, ctx context.Context, want error, body func()) {
	t.Helper()
	var last error
	for rec, err := range p.Batches(ctx, 0) {
		if last != nil {
			t.Errorf("yielded after error %v", last)
		}
		if last = err; err == nil && body != nil {
			body()
		}
		if err != nil && rec != nil {
			t.Error("a record was yielded with the error")
		}
	}
	if !errors.Is(last, want) {
		t.Errorf("error is %v, want %v", last, want)
	}
}

// A stage that waits is woken by the end of the loop, and its error then starts no search for substitutes.
func TestStagesThatWait(t *testing.T) {
	var calls atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	wait := pipeline.Named("Wait", pipeline.StageFunc(func(s *pipeline.Sample) error {
		if calls.Add(1) == 2 {
			cancel()
		}
		<-s.Context().Done()
		return s.Context().Err()
	}))
	p := mustNew(t, counting{1000}, pipeline.Options{Batch: 8, Workers: 2}, unpack{Size: 1}, wait)
	wantOneError(t, p, ctx, context.Canceled, nil)
	if n := calls.Load(); n > 30 { // each row alone would try as many
		t.Errorf("%d calls", n)
	}
}

// A retained record keeps its bytes while the pipeline goes on, and its memory until it is released.
func TestRetainedRecord(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	p := mustNew(t, counting{100}, pipeline.Options{Batch: 8, Epochs: 1, Allocator: mem}, unpack{Size: 2})
	var kept []arrow.Record
	var want []row
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		rec.Retain()
		kept = append(kept, rec)
		want = append(want, rows(t, rec)...)
	}
	if mem.CurrentAlloc() == 0 {
		t.Error("retained records hold no memory")
	}
	var got []row
	for _, rec := range kept {
		got = append(got, rows(t, rec)...)
		rec.Release()
	}
	if !slices.EqualFunc(got, want, func(a, b row) bool { return a.id == b.id && slices.Equal(a.pix, b.pix) }) {
		t.Error("retained records changed")
	}
	mem.AssertSize(t, 0)
}

// No more than Prefetch batches and the one in use exist at once, in one allocation each.
func TestPrefetchBoundsMemory(t *testing.T) {
	const prefetch, block = 3, 64 + 64 + 8*12 + 32
	mem := &peak{Allocator: memory.NewGoAllocator()}
	o := pipeline.Options{Batch: 8, Epochs: 1, Prefetch: prefetch, Allocator: mem}
	p := mustNew(t, counting{1000}, o, unpack{Size: 2})
	const want = (prefetch + 1) * block
	for range p.Batches(context.Background(), 0) {
		for mem.most.Load() < want { // until the feeder has made as many as it may
			time.Sleep(50 * time.Microsecond)
		}
	}
	if most := mem.most.Load(); most != want {
		t.Errorf("%d bytes at once, want %d", most, want)
	}
}

// An allocator that panics, for example when pinned memory runs out, ends the loop with an error.
func TestAllocatorPanics(t *testing.T) {
	p := mustNew(t, counting{100}, pipeline.Options{Batch: 8, Allocator: full{}}, unpack{Size: 2})
	wantOneError(t, p, context.Background(), errInjected, nil)
}

// full is an allocator without memory.
type full struct{ memory.Allocator }

func (full) Allocate(int) []byte { panic(errInjected) }

// Ranks share the tail of an evaluation set too; one that has no row of it yields an empty record, so that all ranks make
// the same number of batches.
func TestRanksShareTail(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	var seen []uint64
	for rank := range 4 {
		o := pipeline.Options{Batch: 4, World: 4, Rank: rank, Epochs: 1, KeepTail: true, Ordered: true, Allocator: mem}
		batches := 0
		for rec, err := range mustNew(t, counting{5}, o, unpack{Size: 2}).Batches(context.Background(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows(t, rec) {
				seen = append(seen, r.id)
			}
			batches++
		}
		if batches != 2 {
			t.Errorf("rank %d has %d batches, want 2", rank, batches)
		}
	}
	if !slices.Equal(seen, []uint64{0, 1, 2, 3, 4}) {
		t.Errorf("the ranks have images %v", seen)
	}
}
