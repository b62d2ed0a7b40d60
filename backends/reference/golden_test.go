package reference_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/reference"
)

// A golden is one case of testdata/golden.json, which golden.py computes without any of our code.
type golden struct {
	Op   string
	Attr struct {
		K, Stride, Pad                           int
		Eps, Temperature, Momentum, Decay, Trust float64
		Rates                                    []float64
	}
	In               []tensor
	Out, Dy          tensor
	Grads, Steps     []tensor
	Accuracy, Spread float64
}

type tensor struct {
	Shape []int
	Data  []float64
}

func goldens(t *testing.T) []golden {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// bench is a graph with the values of its leaves.
type bench struct {
	t      *testing.T
	g      graph.Graph
	leaves map[*graph.Node][]float64
}

func newBench(t *testing.T) *bench {
	return &bench{t: t, leaves: map[*graph.Node][]float64{}}
}

func (b *bench) leaf(shape []int, data []float64) *graph.Node {
	n := b.g.State(fmt.Sprint("leaf", len(b.leaves)), shape...)
	b.leaves[n] = data
	return n
}

func (b *bench) labels(classes int, values ...float64) *graph.Node {
	n := b.g.Labels(len(values), classes)
	b.leaves[n] = values
	return n
}

func (b *bench) eval(n *graph.Node) []float64 {
	b.t.Helper()
	out, err := reference.Eval(b.t.Context(), &b.g, b.leaves, n)
	if err != nil {
		b.t.Fatal(err)
	}
	return out[0]
}

// want checks a value to 12 digits of its largest element.
func (b *bench) want(what string, n *graph.Node, want []float64) {
	b.t.Helper()
	got := b.eval(n)
	if len(got) != len(want) {
		b.t.Fatalf("%s has %d elements, want %d", what, len(got), len(want))
	}
	largest := 0.0
	for _, v := range want {
		largest = max(largest, math.Abs(v))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= 1e-12*largest) {
			b.t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

func TestGolden(t *testing.T) {
	for i, c := range goldens(t) {
		t.Run(fmt.Sprint(c.Op, i), func(t *testing.T) {
			switch c.Op {
			case "NTXent":
				goldenLoss(t, c)
			case "LARS", "SGD":
				goldenOptimizer(t, c)
			default:
				goldenOp(t, c)
			}
		})
	}
}

// goldenOp checks an operation, and the operations that are its gradient.
func goldenOp(t *testing.T, c golden) {
	b, a := newBench(t), c.Attr
	var in []*graph.Node
	for _, x := range c.In {
		in = append(in, b.leaf(x.Shape, x.Data))
	}
	g, x, dy := &b.g, in[0], b.leaf(c.Dy.Shape, c.Dy.Data)
	var y *graph.Node
	var grads []*graph.Node
	switch c.Op {
	case "Conv":
		w := in[1]
		y = g.Conv(x, w, a.Stride, a.Pad)
		grads = append(grads, g.ConvGradInput(dy, w, x.Shape, a.Stride, a.Pad), g.ConvGradFilter(x, dy, w.Shape[2], a.Stride, a.Pad))
	case "Normalize":
		gamma, beta, add := in[1], in[2], in[3]
		m := g.Moments(x)
		y = g.Normalize(x, m, gamma, beta, add, true, a.Eps)
		d := g.ReLUGrad(y, dy)
		params := g.NormalizeGradParams(x, m, d, a.Eps)
		grads = append(grads, g.NormalizeGradInput(x, m, gamma, d, a.Eps), g.Row(params, 0), g.Row(params, 1), d)
	case "MaxPool":
		y = g.MaxPool(x, a.K, a.Stride, a.Pad)
		grads = append(grads, g.MaxPoolGrad(x, y, dy, a.K, a.Stride, a.Pad))
	case "AvgPool":
		y = g.AvgPool(x)
		grads = append(grads, g.AvgPoolGrad(dy, x.Shape))
	case "L2Normalize":
		y = g.L2Normalize(x)
		grads = append(grads, g.L2NormalizeGrad(x, y, dy))
	default:
		t.Fatalf("golden.json has operation %q, which this test does not know", c.Op)
	}
	b.want(c.Op, y, c.Out.Data)
	for i, n := range grads {
		b.want(fmt.Sprintf("gradient %d", i), n, c.Grads[i].Data)
	}
}

func goldenLoss(t *testing.T, c golden) {
	b := newBench(t)
	z := b.leaf(c.In[0].Shape, c.In[0].Data)
	b.want("NTXent", b.g.NTXent(z, c.Attr.Temperature), c.Out.Data)
	b.want("NTXentGrad", b.g.NTXentGrad(z, c.Attr.Temperature), c.Grads[0].Data)
	b.want("PairAccuracy", b.g.PairAccuracy(z), []float64{c.Accuracy})
	b.want("Spread", b.g.Spread(z), []float64{c.Spread})
}

// goldenOptimizer runs the updates one after another, each in a graph of its own.
func goldenOptimizer(t *testing.T, c golden) {
	p, grads, a := c.In[0], c.In[1:], c.Attr
	v := make([]float64, len(p.Data))
	for i, rate := range a.Rates {
		b := newBench(t)
		pNode, vNode, grad := b.leaf(p.Shape, p.Data), b.leaf(p.Shape, v), b.leaf(p.Shape, grads[i].Data)
		lr := b.g.Rate()
		b.leaves[lr] = []float64{rate}
		var velocity, next *graph.Node
		if c.Op == "LARS" {
			velocity = b.g.LARSVelocity(vNode, pNode, grad, lr, a.Momentum, a.Decay, a.Trust)
			next = b.g.Descend(pNode, velocity, nil)
		} else {
			velocity = b.g.Velocity(vNode, pNode, grad, a.Momentum, a.Decay)
			next = b.g.Descend(pNode, velocity, lr)
		}
		b.want(fmt.Sprintf("parameters after step %d", i), next, c.Steps[i].Data)
		p.Data, v = b.eval(next), b.eval(velocity)
	}
}
