package cpu

import (
	"sync/atomic"

	"github.com/sourcegraph/conc"
)

// A crew computes with a number of goroutines, which live as long as a call.
type crew struct {
	threads int
	// product sets c [m, n] to a [m, k] times b [k, n]; nil: Gonum does.
	product func(m, n, k int, a, b, c []float32) error
}

// inlineWork is the number of operations below which goroutines cost more than they save.
const inlineWork = 1 << 14

// each calls task for each i below n, on several goroutines where work, the number of elements or multiplications in all, is worth
// it. worker, below threads, tells goroutines apart: no two tasks of one worker run at a time. A panic of a task is passed on.
func (w crew) each(work, n int, task func(worker, i int)) {
	workers := min(w.threads, n)
	if workers <= 1 || work < inlineWork {
		for i := range n {
			task(0, i)
		}
		return
	}
	var next atomic.Int64
	run := func(worker int) {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			task(worker, i)
		}
	}
	var wg conc.WaitGroup
	defer wg.Wait()
	for worker := 1; worker < workers; worker++ {
		wg.Go(func() { run(worker) })
	}
	run(0)
}

// chunk is how many elements one task of an elementwise operation takes.
const chunk = 1 << 14

// ranges calls task for consecutive ranges that make up 0 to n, of chunk elements each but the last.
func (w crew) ranges(n int, task func(from, to int)) {
	w.each(n, ceil(n, chunk), func(_, i int) { task(i*chunk, min(n, (i+1)*chunk)) })
}

// ceil is a/b rounded up, for a >= 0 and b > 0.
func ceil(a, b int) int { return (a + b - 1) / b }
