package reference_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/reference"
)

// TestByHand checks the operations that are too simple for golden.json, and corners of others, against values worked
// out by hand.
func TestByHand(t *testing.T) {
	zero := []float64{0, 0}
	for _, c := range []struct {
		name  string
		build func(b *bench) *graph.Node
		want  []float64
	}{
		{"MatMul", func(b *bench) *graph.Node {
			return b.g.MatMul(b.leaf([]int{2, 3}, []float64{1, 2, 3, 4, 5, 6}), b.leaf([]int{3, 1}, []float64{1, 10, 100}), false, false)
		}, []float64{321, 654}},
		{"MatMul, first transposed", func(b *bench) *graph.Node {
			return b.g.MatMul(b.leaf([]int{3, 2}, []float64{1, 4, 2, 5, 3, 6}), b.leaf([]int{3, 1}, []float64{1, 10, 100}), true, false)
		}, []float64{321, 654}},
		{"MatMul, second transposed", func(b *bench) *graph.Node {
			return b.g.MatMul(b.leaf([]int{1, 3}, []float64{1, 10, 100}), b.leaf([]int{2, 3}, []float64{1, 2, 3, 4, 5, 6}), false, true)
		}, []float64{321, 654}},
		{"MatMul, both transposed", func(b *bench) *graph.Node {
			return b.g.MatMul(b.leaf([]int{3, 1}, []float64{1, 10, 100}), b.leaf([]int{2, 3}, []float64{1, 2, 3, 4, 5, 6}), true, true)
		}, []float64{321, 654}},
		{"AddBias", func(b *bench) *graph.Node {
			return b.g.AddBias(b.leaf([]int{2, 2}, []float64{1, 2, 3, 4}), b.leaf([]int{2}, []float64{10, 20}))
		}, []float64{11, 22, 13, 24}},
		{"SumRows", func(b *bench) *graph.Node {
			return b.g.SumRows(b.leaf([]int{3, 2}, []float64{1, 2, 30, 40, 500, 600}))
		}, []float64{531, 642}},
		{"Moments", func(b *bench) *graph.Node {
			return b.g.Moments(b.leaf([]int{2, 2, 1, 2}, []float64{1, 3, 1e9, 1e9 + 1, 5, 7, 1e9, 1e9 + 1}))
		}, []float64{4, 1e9 + 0.5, 5, 0.25}},
		{"Normalize without beta, sum or ReLU", func(b *bench) *graph.Node {
			m := b.leaf([]int{2, 2}, []float64{1, 2, 3, 8}) // means 1 and 2, variances 3 and 8
			return b.g.Normalize(b.leaf([]int{2, 2}, []float64{1, 5, 3, -1}), m, b.leaf([]int{2}, []float64{10, 100}), nil, nil, false, 1)
		}, []float64{0, 100, 10, -100}},
		{"Add", func(b *bench) *graph.Node {
			return b.g.Add(b.leaf([]int{2}, []float64{1, 2}), b.leaf([]int{2}, []float64{30, 40}))
		}, []float64{31, 42}},
		{"Scale", func(b *bench) *graph.Node { return b.g.Scale(b.leaf([]int{2}, []float64{1, 2}), -3) }, []float64{-3, -6}},
		{"Lerp", func(b *bench) *graph.Node {
			return b.g.Lerp(b.leaf([]int{2}, []float64{1, 2}), b.leaf([]int{2}, []float64{5, -2}), 0.25)
		}, []float64{2, 1}},
		{"Row", func(b *bench) *graph.Node { return b.g.Row(b.leaf([]int{2, 2}, []float64{1, 2, 3, 4}), 1) }, []float64{3, 4}},
		{"Stack", func(b *bench) *graph.Node {
			return b.g.Stack(b.leaf([]int{2}, []float64{1, 2}), b.leaf([]int{2}, []float64{3, 4}))
		}, []float64{1, 2, 3, 4}},
		{"ReLU", func(b *bench) *graph.Node { return b.g.ReLU(b.leaf([]int{3}, []float64{-1, 0, 2})) }, []float64{0, 0, 2}},
		{"ReLUGrad at 0", func(b *bench) *graph.Node {
			return b.g.ReLUGrad(b.leaf([]int{3}, []float64{0, 0, 2}), b.leaf([]int{3}, []float64{5, 6, 7}))
		}, []float64{0, 0, 7}},
		{"MaxPool: padding never wins", func(b *bench) *graph.Node {
			return b.g.MaxPool(b.leaf([]int{1, 1, 2, 2}, []float64{-4, -3, -2, -1}), 3, 2, 1)
		}, []float64{-1}},
		{"MaxPoolGrad of equal maxima", func(b *bench) *graph.Node {
			x, y := b.leaf([]int{1, 1, 2, 2}, []float64{1, 2, 2, 2}), b.leaf([]int{1, 1, 1, 1}, []float64{2})
			return b.g.MaxPoolGrad(x, y, b.leaf([]int{1, 1, 1, 1}, []float64{9}), 2, 2, 0)
		}, []float64{0, 9, 0, 0}},
		{"L2Normalize of zero", func(b *bench) *graph.Node { return b.g.L2Normalize(b.leaf([]int{1, 2}, zero)) }, zero},
		{"Spread of a collapsed encoder", func(b *bench) *graph.Node {
			return b.g.Spread(b.leaf([]int{4, 2}, []float64{0.6, 0.8, 0.6, 0.8, 0.6, 0.8, 0.6, 0.8}))
		}, []float64{0}},
		{"CrossEntropy", func(b *bench) *graph.Node {
			// Softmax 1/4 and 3/4, then 1/2 and 1/2, however large the logits.
			logits := b.leaf([]int{2, 2}, []float64{0, math.Log(3), 1000, 1000})
			return b.g.CrossEntropy(logits, b.labels(2, 0, 1))
		}, []float64{(math.Log(4) + math.Log(2)) / 2}},
		{"CrossEntropyGrad", func(b *bench) *graph.Node {
			return b.g.CrossEntropyGrad(b.leaf([]int{2, 2}, []float64{0, math.Log(3), 1000, 1000}), b.labels(2, 0, 1))
		}, []float64{-3. / 8, 3. / 8, 1. / 4, -1. / 4}},
		{"LabelAccuracy", func(b *bench) *graph.Node {
			// Right; wrong; of equals the first, which is right and then wrong.
			return b.g.LabelAccuracy(b.leaf([]int{4, 2}, []float64{1, 2, 1, 2, 5, 5, 5, 5}), b.labels(2, 1, 0, 0, 1))
		}, []float64{0.5}},
		{"Velocity", func(b *bench) *graph.Node {
			v, p, grad := b.leaf([]int{1}, []float64{100}), b.leaf([]int{1}, []float64{10}), b.leaf([]int{1}, []float64{1})
			return b.g.Velocity(v, p, grad, 0.5, 0.25)
		}, []float64{53.5}},
		{"LARSVelocity", lars([]float64{3, 4}, []float64{0, 10}, 0.5), []float64{2, 7}},
		{"LARSVelocity of a zero parameter", lars(zero, []float64{0, 10}, 0.5), []float64{2, 22}},
		{"LARSVelocity of a zero gradient", lars([]float64{3, 4}, zero, 0.5), []float64{2, 2}},
		{"LARSVelocity without trust", lars([]float64{3, 4}, []float64{0, 10}, 0), []float64{2, 22}},
		{"Descend", func(b *bench) *graph.Node {
			return b.g.Descend(b.leaf([]int{1}, []float64{10}), b.leaf([]int{1}, []float64{3}), nil)
		}, []float64{7}},
		{"Descend at a rate", func(b *bench) *graph.Node {
			return b.g.Descend(b.leaf([]int{1}, []float64{10}), b.leaf([]int{1}, []float64{3}), b.leaf(nil, []float64{2}))
		}, []float64{4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.want(c.name, c.build(b), c.want)
		})
	}
}

// lars is momentum 0.5 of velocity 4, rate 2, no decay.
func lars(p, grad []float64, trust float64) func(b *bench) *graph.Node {
	return func(b *bench) *graph.Node {
		shape := []int{2}
		v, rate := b.leaf(shape, []float64{4, 4}), b.leaf(nil, []float64{2})
		return b.g.LARSVelocity(v, b.leaf(shape, p), b.leaf(shape, grad), rate, 0.5, 0, trust)
	}
}

func TestEvalStopsBetweenOperations(t *testing.T) {
	b := newBench(t)
	n := b.g.ReLU(b.leaf([]int{1}, []float64{1}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := reference.Eval(ctx, &b.g, b.leaves, n); !errors.Is(err, context.Canceled) {
		t.Errorf("Eval with a cancelled context returned %v", err)
	}
}

func TestEvalRefusesALeafWithoutValue(t *testing.T) {
	b := newBench(t)
	n := b.g.ReLU(b.g.Param("w", 2))
	if _, err := reference.Eval(t.Context(), &b.g, b.leaves, n); err == nil {
		t.Error("Eval computed from a parameter without a value")
	}
}
