package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// A case computes some results of one operation, from operands that hold random numbers.
type operation struct {
	op    graph.Op
	name  string // what is special about the case
	build func(b *builder) []*graph.Node
}

// builder is the graph of a case, with the values of its operands.
type builder struct {
	graph.Graph
	random  *rand.Rand
	weights backends.Weights
	views   *graph.Node // the image of the step
	// slack multiplies the tolerance, where the case is ill-conditioned in float32.
	slack float64
	round func(float32) float32 // of operands; nil where they are any
}

func newBuilder(seed uint64) *builder {
	return &builder{random: rand.New(rand.NewPCG(seed, 2)), slack: 1}
}

// image is the Image of the step, for batches of two pairs; a step has no other.
func (b *builder) image() *graph.Node {
	if b.views == nil {
		b.views = b.Image("views", 4, 2, 3, [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225})
	}
	return b.views
}

// operand is a tensor of normally distributed numbers.
func (b *builder) operand(shape ...int) *graph.Node { return b.shifted(0, 1, shape...) }

// shifted is an operand of the given mean and standard deviation.
func (b *builder) shifted(mean, deviation float64, shape ...int) *graph.Node {
	return b.value(func() float64 { return mean + deviation*b.random.NormFloat64() }, shape...)
}

// value is an operand whose elements are drawn one by one.
func (b *builder) value(draw func() float64, shape ...int) *graph.Node {
	return b.hold(b.State(b.fresh(), shape...), draw)
}

func (b *builder) fresh() string { return fmt.Sprintf("operand%d", len(b.weights)) }

// hold gives a Param, State or Slot its values.
func (b *builder) hold(n *graph.Node, draw func() float64) *graph.Node {
	data := make([]float32, n.Size())
	for i := range data {
		data[i] = float32(draw())
		if b.round != nil {
			data[i] = b.round(data[i])
		}
	}
	b.weights = append(b.weights, backends.Tensor{Name: n.Name, Shape: n.Shape, Data: data})
	return n
}

// unit is an operand [rows, features] of unit vectors.
func (b *builder) unit(rows, features int) *graph.Node {
	n := b.operand(rows, features)
	data := b.weights[len(b.weights)-1].Data
	for i := 0; i < len(data); i += features {
		var square float64
		for _, v := range data[i : i+features] {
			square += float64(v) * float64(v)
		}
		for j := range features {
			data[i+j] = float32(float64(data[i+j]) / math.Sqrt(square))
		}
	}
	return n
}

// running is an operand [2, features] of means and variances, as they are after some training.
func (b *builder) running(features int) *graph.Node {
	variance := b.value(func() float64 { return 0.5 + b.random.Float64() }, features)
	return b.Stack(b.operand(features), variance)
}

// step makes a Step whose updates copy the given nodes into tensors result0, result1, and so on; their values are
// read with Save. The loss is there because a step has one.
func (b *builder) step(results ...*graph.Node) *graph.Step {
	z := b.L2Normalize(b.AvgPool(b.image()))
	s := &graph.Step{Graph: &b.Graph, Loss: b.NTXent(z, 0.5), Accuracy: b.PairAccuracy(z), Spread: b.Spread(z), Project: z}
	for i, n := range results {
		target := b.State(fmt.Sprintf("result%d", i), n.Shape...)
		b.hold(target, func() float64 { return 0 })
		s.Updates = append(s.Updates, graph.Update{Target: target, Value: n})
	}
	return s
}

func testOperations(t *testing.T, s *suite) {
	var ordinary, hard worstError // of results that float32 computes well, and of those that are ill-conditioned
	for i, o := range operations() {
		t.Run(strings.TrimSuffix(fmt.Sprintf("%s/%s", o.op, o.name), "/"), func(t *testing.T) {
			b := newBuilder(uint64(i))
			b.round = s.round
			results := o.build(b)
			compare := near
			if s.round != nil {
				compare = nearInNorm
			}
			st := b.step(results...)
			batch := pairs(uint64(i), 2, 2, 3).labelled(stepLabels...)
			got, want := program(t, s.backend, st, b.weights), oracle(t, st, b.weights)
			step(t, got, batch, 0.25)
			step(t, want, batch, 0.25)
			gotWeights, wantWeights := save(t, got), save(t, want)
			for i, n := range results {
				name := fmt.Sprintf("result%d", i)
				got, want := find(t, gotWeights, name).Data, find(t, wantWeights, name).Data
				limit, worst := b.slack*s.tolerance, &ordinary
				if b.slack > 1 {
					worst = &hard
				}
				compare(t, n.String(), got, want, limit)
				worst.add(t.Name(), errorInNorm(got, want), limit)
			}
		})
	}
	ordinary.log(t, "well-conditioned")
	hard.log(t, "ill-conditioned")
}

// A worstError is the largest error in norm of many results, relative, and whose it was.
type worstError struct {
	name            string
	relative, limit float64
	results         int
}

func (w *worstError) add(name string, relative, limit float64) {
	if w.results++; relative >= w.relative {
		w.name, w.relative, w.limit = name, relative, limit
	}
}

// log tells it in one line, for reports of what a device computes.
func (w *worstError) log(t *testing.T, kind string) {
	if w.results > 0 {
		t.Logf("largest error in norm of %d %s results: %.1e where %.1e is allowed, %s", w.results, kind, w.relative, w.limit, w.name)
	}
}

// testUpdatesReadOldValues swaps two tensors, and keeps a third.
func testUpdatesReadOldValues(t *testing.T, s *suite) {
	b := newBuilder(1)
	x, y, kept := b.operand(3), b.operand(3), b.operand(2, 2)
	st := b.step(kept)
	st.Updates = append(st.Updates, graph.Update{Target: x, Value: y}, graph.Update{Target: y, Value: x})
	p := program(t, s.backend, st, b.weights)
	step(t, p, pairs(1, 2, 2, 3), 1)
	w := save(t, p)
	for _, c := range []struct{ now, before *graph.Node }{{x, y}, {y, x}, {kept, kept}} {
		near(t, c.now.Name, find(t, w, c.now.Name).Data, find(t, b.weights, c.before.Name).Data, 0)
	}
}
