package graph_test

import (
	"slices"
	"testing"

	"github.com/goclr/goclr/backends/graph"
)

// leaf adds a tensor of the given shape.
func leaf(g *graph.Graph, shape ...int) *graph.Node { return g.State("x", shape...) }

func TestShapes(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(g *graph.Graph) *graph.Node
		want  []int
	}{
		{"Image", func(g *graph.Graph) *graph.Node { return g.Image("views", 8, 32, 24, [3]float64{}, [3]float64{}) }, []int{8, 3, 32, 24}},
		{"Rate", func(g *graph.Graph) *graph.Node { return g.Rate() }, nil},
		{"Conv", func(g *graph.Graph) *graph.Node { return g.Conv(leaf(g, 2, 3, 9, 8), leaf(g, 5, 3, 3, 3), 2, 1) }, []int{2, 5, 5, 4}},
		{"ConvGradInput", func(g *graph.Graph) *graph.Node {
			return g.ConvGradInput(leaf(g, 2, 5, 5, 4), leaf(g, 5, 3, 3, 3), []int{2, 3, 9, 8}, 2, 1)
		}, []int{2, 3, 9, 8}},
		{"ConvGradFilter", func(g *graph.Graph) *graph.Node {
			return g.ConvGradFilter(leaf(g, 2, 3, 9, 8), leaf(g, 2, 5, 5, 4), 3, 2, 1)
		}, []int{5, 3, 3, 3}},
		{"Moments", func(g *graph.Graph) *graph.Node { return g.Moments(leaf(g, 2, 3, 4, 5)) }, []int{2, 3}},
		{"MaxPool", func(g *graph.Graph) *graph.Node { return g.MaxPool(leaf(g, 2, 3, 8, 7), 3, 2, 1) }, []int{2, 3, 4, 4}},
		{"AvgPool", func(g *graph.Graph) *graph.Node { return g.AvgPool(leaf(g, 2, 3, 8, 7)) }, []int{2, 3}},
		{"AvgPoolGrad", func(g *graph.Graph) *graph.Node { return g.AvgPoolGrad(leaf(g, 2, 3), []int{2, 3, 8, 7}) }, []int{2, 3, 8, 7}},
		{"MatMul", func(g *graph.Graph) *graph.Node { return g.MatMul(leaf(g, 4, 2), leaf(g, 5, 4), true, true) }, []int{2, 5}},
		{"SumRows", func(g *graph.Graph) *graph.Node { return g.SumRows(leaf(g, 4, 2)) }, []int{2}},
		{"NTXent", func(g *graph.Graph) *graph.Node { return g.NTXent(leaf(g, 4, 2), 1) }, nil},
		{"Labels", func(g *graph.Graph) *graph.Node { return g.Labels(4, 2) }, []int{4}},
		{"CrossEntropy", func(g *graph.Graph) *graph.Node { return g.CrossEntropy(leaf(g, 4, 2), g.Labels(4, 2)) }, nil},
		{"CrossEntropyGrad", func(g *graph.Graph) *graph.Node { return g.CrossEntropyGrad(leaf(g, 4, 2), g.Labels(4, 2)) }, []int{4, 2}},
		{"LabelAccuracy", func(g *graph.Graph) *graph.Node { return g.LabelAccuracy(leaf(g, 4, 2), g.Labels(4, 2)) }, nil},
		{"Row", func(g *graph.Graph) *graph.Node { return g.Row(leaf(g, 4, 2), 3) }, []int{2}},
		{"Stack", func(g *graph.Graph) *graph.Node { return g.Stack(leaf(g, 3), leaf(g, 3)) }, []int{2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n := c.build(&graph.Graph{}); !slices.Equal(n.Shape, c.want) {
				t.Errorf("shape is %v, want %v", n.Shape, c.want)
			}
		})
	}
}

func TestConstructorsRefuse(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(g *graph.Graph)
	}{
		{"Param without a name", func(g *graph.Graph) { g.Param("", 2) }},
		{"Conv of other channels", func(g *graph.Graph) { g.Conv(leaf(g, 2, 3, 9, 8), leaf(g, 5, 4, 3, 3), 1, 1) }},
		{"Conv with oblong filters", func(g *graph.Graph) { g.Conv(leaf(g, 2, 3, 9, 8), leaf(g, 5, 3, 3, 1), 1, 1) }},
		{"Conv with filters larger than the image", func(g *graph.Graph) { g.Conv(leaf(g, 2, 3, 4, 4), leaf(g, 5, 3, 7, 7), 1, 1) }},
		{"Moments of a vector", func(g *graph.Graph) { g.Moments(leaf(g, 3)) }},
		{"Normalize with a short gamma", func(g *graph.Graph) {
			x := leaf(g, 4, 3)
			g.Normalize(x, g.Moments(x), leaf(g, 2), nil, nil, false, 1)
		}},
		{"Normalize with a short beta", func(g *graph.Graph) {
			x := leaf(g, 4, 3)
			g.Normalize(x, g.Moments(x), leaf(g, 3), leaf(g, 2), nil, false, 1)
		}},
		{"Normalize plus another shape", func(g *graph.Graph) {
			x := leaf(g, 4, 3)
			g.Normalize(x, g.Moments(x), leaf(g, 3), nil, leaf(g, 3, 4), false, 1)
		}},
		{"MaxPool of a matrix", func(g *graph.Graph) { g.MaxPool(leaf(g, 4, 4), 2, 2, 0) }},
		{"AvgPool of a matrix", func(g *graph.Graph) { g.AvgPool(leaf(g, 4, 4)) }},
		{"MatMul that does not fit", func(g *graph.Graph) { g.MatMul(leaf(g, 4, 2), leaf(g, 5, 4), false, true) }},
		{"AddBias of another length", func(g *graph.Graph) { g.AddBias(leaf(g, 4, 2), leaf(g, 4)) }},
		{"NTXent of one pair", func(g *graph.Graph) { g.NTXent(leaf(g, 2, 3), 1) }},
		{"NTXent of an odd number of rows", func(g *graph.Graph) { g.NTXent(leaf(g, 5, 3), 1) }},
		{"NTXent at temperature 0", func(g *graph.Graph) { g.NTXent(leaf(g, 4, 3), 0) }},
		{"Labels of one class", func(g *graph.Graph) { g.Labels(4, 1) }},
		{"CrossEntropy of other rows", func(g *graph.Graph) { g.CrossEntropy(leaf(g, 4, 2), g.Labels(3, 2)) }},
		{"CrossEntropy of more logits than classes", func(g *graph.Graph) { g.CrossEntropy(leaf(g, 4, 3), g.Labels(4, 2)) }},
		{"LabelAccuracy with what are no labels", func(g *graph.Graph) { g.LabelAccuracy(leaf(g, 4, 2), leaf(g, 4)) }},
		{"Add of other shapes", func(g *graph.Graph) { g.Add(leaf(g, 4, 2), leaf(g, 2, 4)) }},
		{"Row that is not there", func(g *graph.Graph) { g.Row(leaf(g, 2, 3), 2) }},
		{"Row before the first", func(g *graph.Graph) { g.Row(leaf(g, 2, 3), -1) }},
		{"Stack of other lengths", func(g *graph.Graph) { g.Stack(leaf(g, 2), leaf(g, 3)) }},
		{"Velocity of other shapes", func(g *graph.Graph) { g.Velocity(leaf(g, 2), leaf(g, 2), leaf(g, 3), 0, 0) }},
		{"Descend by another shape", func(g *graph.Graph) { g.Descend(leaf(g, 2), leaf(g, 3), nil) }},
	} {
		t.Run(c.name, func(t *testing.T) { wantPanic(t, "", func() { c.build(&graph.Graph{}) }) })
	}
}

func TestReachIsInOrderAndWithoutTheRest(t *testing.T) {
	var g graph.Graph
	a, unused, b := g.Param("a", 2), g.Param("unused", 2), g.Param("b", 2)
	g.Add(unused, a)
	sum := g.Add(b, a)
	half := g.Scale(sum, 0.5)
	if got := g.Reach(half, sum); !slices.Equal(got, []*graph.Node{a, b, sum, half}) {
		t.Errorf("Reach returned %v", got)
	}
}

// TestStep: the tensors of a step are those it reads or writes, in graph order; the same ones whether or not it trains.
func TestStep(t *testing.T) {
	var g graph.Graph
	image := g.Image("views", 4, 2, 2, [3]float64{}, [3]float64{1, 1, 1})
	w, unused := g.Param("w", 3, 5), g.Param("unused", 1)
	written := g.Slot("written", 3, 5)
	z := g.MatMul(g.AvgPool(image), w, false, false)
	train := &graph.Step{
		Graph: &g, Loss: g.NTXent(z, 1), Accuracy: g.PairAccuracy(z), Spread: g.Spread(z), Project: z,
		Updates: []graph.Update{{Target: written, Value: g.Scale(w, 2)}},
	}
	if got := train.Tensors(); !slices.Equal(got, []*graph.Node{w, written}) {
		t.Errorf("tensors are %v, want w and written, without %v", got, unused)
	}
	if got := train.Outputs(); !slices.Equal(got, []*graph.Node{train.Loss, train.Accuracy, train.Spread, train.Updates[0].Value}) {
		t.Errorf("outputs are %v", got)
	}
	evaluate := &graph.Step{Graph: &g, Features: z}
	if got := evaluate.Tensors(); !slices.Equal(got, []*graph.Node{w}) || evaluate.Outputs() != nil {
		t.Errorf("of an encoder, tensors are %v and outputs %v", got, evaluate.Outputs())
	}
	if got, err := train.ImageOf(train.Loss); got != image || err != nil {
		t.Errorf("the image of the loss is %v, %v", got, err)
	}
	if got, err := train.ImageOf(w); err == nil {
		t.Errorf("the image of a parameter is %v", got)
	}
}

// TestStepWithLabels: a loss that compares no projections has no spread.
func TestStepWithLabels(t *testing.T) {
	var g graph.Graph
	image := g.Image("views", 4, 2, 2, [3]float64{}, [3]float64{1, 1, 1})
	labels, w := g.Labels(4, 2), g.Param("w", 3, 2)
	logits := g.MatMul(g.AvgPool(image), w, false, false)
	s := &graph.Step{
		Graph: &g, Loss: g.CrossEntropy(logits, labels), Accuracy: g.LabelAccuracy(logits, labels),
		Updates: []graph.Update{{Target: w, Value: g.Scale(w, 2)}},
	}
	if got := s.Outputs(); !slices.Equal(got, []*graph.Node{s.Loss, s.Accuracy, s.Updates[0].Value}) {
		t.Errorf("outputs are %v", got)
	}
	if got := s.Tensors(); !slices.Equal(got, []*graph.Node{w}) {
		t.Errorf("tensors are %v, want w", got)
	}
	if got := s.LabelsOf(s.Loss); got != labels {
		t.Errorf("the labels of the loss are %v", got)
	}
	if got := s.LabelsOf(logits); got != nil {
		t.Errorf("the labels of the logits are %v", got)
	}
}

func TestNodesNameThemselves(t *testing.T) {
	var g graph.Graph
	w := g.Param("fc.weight", 3, 5)
	for _, c := range []struct {
		node *graph.Node
		want string
	}{{w, "Param(fc.weight) [3 5]"}, {g.Scale(w, 2), "Scale#1 [3 5]"}} {
		if got := c.node.String(); got != c.want {
			t.Errorf("String is %q, want %q", got, c.want)
		}
	}
}
