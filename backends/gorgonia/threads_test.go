package gorgonia

import (
	"testing"

	"github.com/sourcegraph/conc"

	"github.com/goclr/goclr/backends"
)

// TestThreadsChangeNothing takes steps on one thread, two and three.
func TestThreadsChangeNothing(t *testing.T) {
	for kind, plain := range map[string]bool{"vector": false, "plain": true} {
		t.Run(kind, func(t *testing.T) {
			var want backends.Weights
			for threads := 1; threads <= 3; threads++ {
				p := compileTest(t, openTest(t, backends.Options{Threads: threads, StandardOperators: plain, Spin: threads == 2}), smallStep())
				for seed := range uint64(4) {
					stepTest(t, p, smallBatch(t, seed))
				}
				got := saveTest(t, p)
				if threads == 1 {
					want = got
				}
				wantSame(t, "tensors on more threads", got, want)
			}
		})
	}
}

// TestProgramsAtOnce uses two programs of one backend from two goroutines.
func TestProgramsAtOnce(t *testing.T) {
	for kind, plain := range map[string]bool{"vector": false, "plain": true} {
		t.Run(kind, func(t *testing.T) {
			b := openTest(t, backends.Options{Threads: 2, StandardOperators: plain})
			alone := compileTest(t, b, smallStep())
			var want []backends.Metrics
			for seed := range uint64(10) {
				want = append(want, stepTest(t, alone, smallBatch(t, seed)))
			}
			weights := saveTest(t, alone)
			programs := []backends.Program{compileTest(t, b, smallStep()), compileTest(t, b, smallStep())}
			var wg conc.WaitGroup
			for _, p := range programs {
				wg.Go(func() {
					for seed := range uint64(10) {
						if got, err := p.Step(t.Context(), smallBatch(t, seed), smallRate); err != nil || got != want[seed] {
							t.Errorf("step %d beside another program says %v (%v), want %v", seed, got, err, want[seed])
						}
					}
				})
			}
			wg.Wait()
			for _, p := range programs {
				wantSame(t, "tensors beside another program", saveTest(t, p), weights)
			}
		})
	}
}
