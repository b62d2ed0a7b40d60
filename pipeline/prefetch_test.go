package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// ahead is a Source that is told what comes.
type ahead struct {
	counting
	wait func(ctx context.Context)

	mu   sync.Mutex
	told []int
}

func (a *ahead) Prefetch(ctx context.Context, ids []int) {
	a.mu.Lock()
	a.told = append(a.told, ids...)
	a.mu.Unlock()
	a.wait(ctx)
}

func (a *ahead) announced(id uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.told, int(id))
}

// Batches are announced in order, this rank's rows alone, ahead of the feeder, and none behind the end.
func TestPrefetch(t *testing.T) {
	for _, window := range []int{0, 40} {
		t.Run(fmt.Sprintf("window %d", window), func(t *testing.T) {
			testPrefetch(t, pipeline.Options{Batch: 8, World: 2, Rank: 1, Epochs: 1, Prefetch: 2, Seed: 4, Window: window})
		})
	}
}

func testPrefetch(t *testing.T, o pipeline.Options) {
	src := &ahead{counting: counting{96}, wait: func(context.Context) {}}
	p := mustNew(t, src, o, unpack{Size: 1})
	var got []int
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		ids, _ := pipeline.IDs(rec)
		for _, id := range ids {
			got = append(got, int(id))
		}
	}
	if len(got) != 48 {
		t.Fatalf("%d images", len(got))
	}
	// A batch that workers began before the announcer came to it is left out, so what was told is a subsequence.
	at := 0
	for _, id := range src.told {
		i := slices.Index(got[at:], id)
		if i < 0 {
			t.Fatalf("image %d was announced twice, out of order, or for nothing; images are %v, announced %v", id, got, src.told)
		}
		at += i + 1
	}
}

// With the feeder held back, the announcer is Prefetch batches in front of it.
func TestPrefetchIsAhead(t *testing.T) {
	const prefetch = 2
	told := make(chan struct{}, 100)
	src := &ahead{counting: counting{80}, wait: func(context.Context) { told <- struct{}{} }}
	p := mustNew(t, src, pipeline.Options{Batch: 8, Ordered: true, Prefetch: prefetch, Epochs: 1}, unpack{Size: 1})
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		// Batch 0 is in use; batches 1 and 2 are made, the feeder waits with 3; up to 3+2 is announced.
		if ids, _ := pipeline.IDs(rec); ids[0] != 0 {
			t.Fatalf("first image is %d", ids[0])
		}
		for !src.announced(8*5 + 7) {
			<-told
		}
		if src.announced(8 * 6) {
			t.Error("batch 6 is announced already")
		}
		break
	}
}

// With a window, announcements are a block of it further ahead, here of 20 images, so 3 batches.
func TestPrefetchIsABlockAhead(t *testing.T) {
	const batch, prefetch, window = 8, 2, 320
	told := make(chan struct{}, 100)
	src := &ahead{counting: counting{800}, wait: func(context.Context) { told <- struct{}{} }}
	p := mustNew(t, src, pipeline.Options{Batch: batch, Prefetch: prefetch, Epochs: 1, Window: window}, unpack{Size: 1})
	var order []uint64
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		ids, _ := pipeline.IDs(rec)
		order = append(order, ids...)
	}
	src.told = nil
	for len(told) > 0 {
		<-told
	}
	for _, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		// Batch 0 is in use; batches 1 and 2 are made, the feeder waits with 3; up to 3+2+3 is announced.
		for !src.announced(order[batch*9-1]) {
			<-told
		}
		if src.announced(order[batch*9]) {
			t.Error("batch 9 is announced already")
		}
		break
	}
}

// A source that waits in Prefetch neither stops the batches nor outlives the loop.
func TestPrefetchWaits(t *testing.T) {
	src := &ahead{counting: counting{80}, wait: func(ctx context.Context) { <-ctx.Done() }}
	p := mustNew(t, src, pipeline.Options{Batch: 8, Epochs: 1}, unpack{Size: 1})
	n := 0
	for _, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 10 {
		t.Errorf("%d batches, want 10", n)
	}
}

// An announcer that fell behind leaves out the batches that workers have begun.
func TestPrefetchCatchesUp(t *testing.T) {
	caughtUp, calls := make(chan struct{}), make(chan struct{}, 100)
	src := &ahead{counting: counting{800}, wait: func(context.Context) {
		calls <- struct{}{}
		<-caughtUp
	}}
	p := mustNew(t, src, pipeline.Options{Batch: 8, Ordered: true, Epochs: 1}, unpack{Size: 1})
	step := 0
	for _, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		switch step {
		case 0:
			<-calls // the first call holds the announcer up
		case 50:
			close(caughtUp)
			<-calls
		}
		step++
	}
	if second := src.told[8]; second < 8*50 {
		t.Errorf("after the wait until batch 50, batch %d was announced", second/8)
	}
}

// A panic of Prefetch ends the loop with an error.
func TestPrefetchPanics(t *testing.T) {
	src := &ahead{counting: counting{80}, wait: func(context.Context) { panic(errInjected) }}
	wantOneError(t, mustNew(t, src, pipeline.Options{Batch: 8}, unpack{Size: 1}), context.Background(), errInjected, nil)
}
