package graph_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/graph"
)

// dividable is a step whose updates are of every kind that can be divided: the weight by its gradient, a running mean by the
// image, a counter by neither.
func dividable() (s *graph.Step, w, mean, counter *graph.Node) {
	g := &graph.Graph{}
	image := g.Image("views", 4, 2, 2, [3]float64{}, [3]float64{1, 1, 1})
	w, mean, counter = g.Param("w", 3, 5), g.State("mean", 4, 3), g.State("counter", 1)
	pooled := g.AvgPool(image)
	z := g.MatMul(pooled, w, false, false)
	s = &graph.Step{Graph: g, Loss: g.NTXent(z, 1), Accuracy: g.PairAccuracy(z), Spread: g.Spread(z), Project: z}
	s.Differentiate([]*graph.Node{w})
	s.Updates = []graph.Update{
		{Target: mean, Value: g.Lerp(mean, pooled, 0.1)},
		{Target: counter, Value: g.Scale(counter, 2)},
		{Target: w, Value: g.Descend(w, s.Gradients[0].Value, g.Rate())},
	}
	return s, w, mean, counter
}

func TestReachFromStopsAtWhatIsGiven(t *testing.T) {
	var g graph.Graph
	a, b := g.Param("a", 2), g.Param("b", 2)
	half := g.Scale(a, 0.5)
	sum := g.Add(half, b)
	if got := g.ReachFrom([]*graph.Node{half}, sum); !slices.Equal(got, []*graph.Node{b, half, sum}) {
		t.Errorf("ReachFrom returned %v", got)
	}
	if got := g.ReachFrom([]*graph.Node{sum}, half); !slices.Equal(got, []*graph.Node{a, half}) {
		t.Errorf("with what is not needed ReachFrom returned %v", got)
	}
}

func TestDivide(t *testing.T) {
	s, w, mean, counter := dividable()
	unused := s.Graph.Param("unused", 1)
	s.Gradients = append(s.Gradients, graph.Gradient{Param: unused})
	d, err := s.Divide()
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Gradients) != 1 || d.Gradients[0].Param != w {
		t.Errorf("gradients are %v, want that of w alone", d.Gradients)
	}
	if len(d.Moved) != 1 || d.Moved[0].Target != mean {
		t.Errorf("moved are %v, want the mean", d.Moved)
	}
	if len(d.Applied) != 2 || d.Applied[0].Target != counter || d.Applied[1].Target != w {
		t.Errorf("applied are %v, want counter and w", d.Applied)
	}
	// Given the gradient of the projection, nothing needs the loss.
	for _, n := range s.Graph.ReachFrom([]*graph.Node{s.ProjectGrad}, d.Gradients[0].Value) {
		if n == s.Loss || n.Op == graph.OpNTXentGrad && n != s.ProjectGrad {
			t.Errorf("%v is needed", n)
		}
	}
}

func TestDivideRefuses(t *testing.T) {
	s, _, _, _ := dividable()
	s.ProjectGrad = nil
	if _, err := s.Divide(); err == nil || !strings.Contains(err.Error(), "Differentiate") {
		t.Errorf("a step without gradients: error %v", err)
	}
	for name, value := range map[string]func(s *graph.Step) *graph.Node{
		"gradient and image": func(s *graph.Step) *graph.Node {
			weights := s.Graph.MatMul(s.Project, s.Gradients[0].Value, false, true)
			return s.Graph.Scale(weights, 2)
		},
		"rate and image": func(s *graph.Step) *graph.Node {
			return s.Graph.Descend(s.Project, s.Project, s.Graph.Rate())
		},
	} {
		s, _, _, _ := dividable()
		v := value(s)
		s.Updates = append(s.Updates, graph.Update{Target: s.Graph.State("mixed", v.Shape...), Value: v})
		if _, err := s.Divide(); err == nil || !strings.Contains(err.Error(), "mixed") {
			t.Errorf("%s: error %v, want one that names the tensor", name, err)
		}
	}
}
