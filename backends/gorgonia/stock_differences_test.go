package gorgonia_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

const (
	differenceStep  = 1e-6
	differenceError = 1e-6 // of a derivative along a direction, relative to the length of the gradient
)

// TestStockNetwork checks the oracle itself: along a random direction of each parameter the loss changes as its gradient says.
func TestStockNetwork(t *testing.T) {
	const rows, size = 6, 12
	for _, c := range []stockResNet{
		{blocks: []int{2, 1}, channels: 3, head: []int{5, 4}},
		{blocks: []int{2, 1}, channels: 3, bottleneck: true, head: []int{4}},
		{blocks: []int{1}, channels: 3, imageNet: true, head: []int{5, 5, 4}},
		{blocks: []int{1}, channels: 3, imageNet: true, bottleneck: true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			r := rand.New(rand.NewPCG(2, 1))
			views := make([]float64, rows*3*size*size)
			for i := range views {
				views[i] = r.NormFloat64()
			}
			s := newStockNet(7)
			run := s.run(t, s.ntXent(c.build(s, s.input("views", views, rows, 3, size, size)), 0.5))
			gradients := run.compute(t).gradients
			worst := 0.0
			for _, p := range run.params {
				values, gradient := run.values()[p.Name()], gradients[p.Name()]
				direction := make([]float64, len(values))
				for i := range direction {
					direction[i] = r.NormFloat64()
				}
				got, want := run.slope(t, values, direction), 0.0
				for i, d := range direction {
					want += d * gradient[i]
				}
				off := math.Abs(got-want) / (euclidean(gradient) * euclidean(direction))
				if !(off <= differenceError) {
					t.Errorf("%s: the loss has slope %g, its gradient says %g: off by %.1e of the gradient's length, allowed are %.0e",
						p.Name(), got, want, off, differenceError)
				}
				worst = max(worst, off)
			}
			t.Logf("%d gradients, the worst off by %.1e", len(run.params), worst)
		})
	}
}

// slope is the derivative of the loss by steps of the values along a direction, as a central difference.
func (r *stockRun) slope(t *testing.T, values, direction []float64) float64 {
	t.Helper()
	step := differenceStep / euclidean(direction)
	begin := slices.Clone(values)
	defer copy(values, begin)
	at := func(steps float64) float64 {
		for i := range values {
			values[i] = begin[i] + steps*direction[i]
		}
		return r.compute(t).loss
	}
	return (at(step) - at(-step)) / (2 * step)
}

// euclidean is the norm of a vector.
func euclidean(v []float64) float64 {
	squares := 0.0
	for _, x := range v {
		squares += x * x
	}
	return math.Sqrt(squares)
}
