package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/sourcegraph/conc"
)

// KNN is the weighted vote of nearest neighbours of Wu et al. (2018), as lightly and most others measure it: each of the K
// training vectors nearest by cosine votes for its class with weight exp(cosine/Temperature).
type KNN struct {
	K           int     // The default is 200.
	Temperature float64 // The default is 0.1.
}

// Score returns the share of test vectors whose class wins the vote, in [0,1]. Its cost is the product of both counts and the
// length of vectors; all CPUs share it. Equal distances and votes are decided by order, so the result is the same every time.
func (k KNN) Score(ctx context.Context, train, test *Features) (float64, error) {
	if k.K == 0 {
		k.K = 200
	}
	if k.Temperature == 0 {
		k.Temperature = 0.1
	}
	if err := checkComparable(train, test); err != nil {
		return 0, err
	}
	k.K = min(k.K, train.Len())
	bank, queries := train.unit(), test.unit()
	classes := classes(train, test)
	var next, right atomic.Int64
	var wg conc.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			v := voter{KNN: k, votes: make([]float64, classes)}
			for ctx.Err() == nil {
				from := int(next.Add(queryBlock)) - queryBlock
				if from >= test.Len() {
					return
				}
				to := min(from+queryBlock, test.Len())
				v.compare(bank, queries[from*test.Dim:to*test.Dim], train.Dim)
				for i := from; i < to; i++ {
					if v.vote(i-from, train.Labels) == test.Labels[i] {
						right.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return float64(right.Load()) / float64(test.Len()), nil
}

// queryBlock is how many queries share one pass over the bank: it is larger than any cache.
const queryBlock = 16

type neighbour struct {
	similarity float32
	index      int32
}

// A voter holds the memory of one goroutine.
type voter struct {
	KNN
	near  [queryBlock][]neighbour // the nearest so far, the farthest of them first: a heap
	votes []float64
}

func (v *voter) compare(bank, queries []float32, dim int) {
	for q := range v.near {
		v.near[q] = v.near[q][:0]
	}
	for i := 0; i*dim < len(bank); i++ {
		row := bank[i*dim : (i+1)*dim]
		for q := 0; q*dim < len(queries); q++ {
			v.offer(q, neighbour{dot(row, queries[q*dim:(q+1)*dim]), int32(i)})
		}
	}
}

// nearer orders neighbours: by similarity, then by index.
func nearer(a, b neighbour) bool {
	return a.similarity > b.similarity || a.similarity == b.similarity && a.index < b.index
}

func (v *voter) offer(q int, n neighbour) {
	h := v.near[q]
	if len(h) < v.K {
		h = append(h, n)
		v.near[q] = h
		for i := len(h) - 1; i > 0; {
			up := (i - 1) / 2
			if !nearer(h[up], h[i]) {
				break
			}
			h[up], h[i] = h[i], h[up]
			i = up
		}
		return
	}
	if !nearer(n, h[0]) {
		return
	}
	h[0] = n
	for i := 0; ; {
		far := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if nearer(h[far], h[child]) {
				far = child
			}
		}
		if far == i {
			return
		}
		h[i], h[far] = h[far], h[i]
		i = far
	}
}

func (v *voter) vote(q int, labels []int32) int32 {
	clear(v.votes)
	// Sums of floats depend on their order, and a heap's depends on history: the sort makes the result repeat.
	slices.SortFunc(v.near[q], func(a, b neighbour) int { return cmp.Compare(a.index, b.index) })
	for _, n := range v.near[q] {
		v.votes[labels[n.index]] += math.Exp(float64(n.similarity) / v.Temperature)
	}
	best := 0
	for c, w := range v.votes {
		if w > v.votes[best] {
			best = c
		}
	}
	return int32(best)
}

var errNoLabels = errors.New("images without a label cannot be scored: use a data set with classes")

func checkComparable(train, test *Features) error {
	if train.Len() == 0 || test.Len() == 0 {
		return errors.New("no images to compare")
	}
	if train.Dim != test.Dim {
		return fmt.Errorf("features of %d and %d numbers cannot be compared", train.Dim, test.Dim)
	}
	if slices.Min(train.Labels) < 0 || slices.Min(test.Labels) < 0 {
		return errNoLabels
	}
	return nil
}
