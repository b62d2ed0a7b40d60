package backends_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	_ "github.com/goclr/goclr/backends/reference"
)

// loud is a backend that says what it compiles, and leaves the rest to another.
type loud struct{ backends.Backend }

func (b loud) Compile(ctx context.Context, s *graph.Step) (backends.Program, error) {
	fmt.Println("compiling", len(s.Graph.Nodes), "nodes")
	return b.Backend.Compile(ctx, s)
}

// A backend of your own is known to every command that imports it. Package backendtest tells how to write and test one.
func ExampleRegister() {
	backends.Register("loud", func(ctx context.Context, o backends.Options) (backends.Backend, error) { // in an init function
		b, err := backends.Open(ctx, "reference", o)
		return loud{b}, err
	})

	ctx := context.Background()
	b, err := backends.Open(ctx, "loud", backends.Options{Device: "cpu"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	var g graph.Graph
	images := g.Image("views", 1, 2, 2, [3]float64{}, [3]float64{1, 1, 1})
	encoder := &graph.Step{Graph: &g, Features: g.MatMul(g.AvgPool(images), g.Param("fc.weight", 3, 5), false, false)}
	p, err := b.Compile(ctx, encoder)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	w, err := p.Save()
	fmt.Println(w[0].Name, w[0].Shape, err)
	// Output:
	// compiling 4 nodes
	// fc.weight [3 5] <nil>
}

func TestOpenUnknown(t *testing.T) {
	_, err := backends.Open(t.Context(), "referense", backends.Options{})
	if err == nil || !strings.Contains(err.Error(), `"referense"`) || !strings.Contains(err.Error(), "this program has") ||
		!strings.Contains(err.Error(), "reference") {
		t.Errorf("Open of an unknown backend: %v; want the name and the known ones", err)
	}
}

func TestOpenWrapsTheError(t *testing.T) {
	broken := errors.New("no such library")
	backends.Register("broken", func(context.Context, backends.Options) (backends.Backend, error) { return nil, broken })
	_, err := backends.Open(t.Context(), "broken", backends.Options{})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "backend broken") {
		t.Errorf("Open returned %v; want the backend's name and error", err)
	}
}

func TestRegisterTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a second backend took the name of the first")
		}
	}()
	backends.Register("reference", nil)
}

func TestNamesAreSorted(t *testing.T) {
	names := backends.Names()
	if !slices.IsSorted(names) || !slices.Contains(names, "reference") {
		t.Errorf("Names returned %v", names)
	}
}

func TestMatch(t *testing.T) {
	var g graph.Graph
	w, v := g.Param("w", 2), g.Slot("momentum/w", 2)
	step := &graph.Step{Graph: &g, Features: g.Add(w, v)}
	good := backends.Tensor{Name: "w", Shape: []int{2}, Data: []float32{1, 2}}
	momentum := backends.Tensor{Name: "momentum/w", Shape: []int{2}, Data: []float32{3, 4}}
	flat := backends.Tensor{Name: "w", Shape: []int{1, 2}, Data: []float32{1, 2}}
	short := backends.Tensor{Name: "w", Shape: []int{2}, Data: []float32{1}}
	other := backends.Tensor{Name: "fc.weight", Shape: []int{1}, Data: []float32{9}}
	for _, c := range []struct {
		name    string
		weights backends.Weights
		want    [][]float32
	}{
		{"all", backends.Weights{other, momentum, good}, [][]float32{{1, 2}, {3, 4}}},
		{"no momentum", backends.Weights{good}, [][]float32{{1, 2}, nil}},
		{"no parameter", backends.Weights{momentum}, nil},
		{"another shape", backends.Weights{flat}, nil},
		{"too few elements", backends.Weights{short}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := backends.Match(step, c.weights)
			if c.want == nil {
				if err == nil || !strings.Contains(err.Error(), `"w"`) {
					t.Errorf("Match returned %v; want an error that names w", err)
				}
				return
			}
			if err != nil || !slices.EqualFunc(got, c.want, slices.Equal[[]float32]) {
				t.Errorf("Match returned %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

// TestMatchGradients: unlike a slot's values, no gradient may be left out.
func TestMatchGradients(t *testing.T) {
	var g graph.Graph
	d := graph.Division{Gradients: []graph.Gradient{{Param: g.Param("a", 2)}, {Param: g.Param("b", 1)}}}
	a := backends.Tensor{Name: "a", Shape: []int{2}, Data: []float32{1, 2}}
	b := backends.Tensor{Name: "b", Shape: []int{1}, Data: []float32{3}}
	got, err := backends.MatchGradients(d, backends.Weights{b, a})
	if err != nil || !slices.EqualFunc(got, [][]float32{{1, 2}, {3}}, slices.Equal[[]float32]) {
		t.Errorf("MatchGradients returned %v, %v", got, err)
	}
	if _, err := backends.MatchGradients(d, backends.Weights{a}); err == nil || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("without the gradient of b: %v", err)
	}
}

func TestFind(t *testing.T) {
	w := backends.Weights{{Name: "a", Data: []float32{1}}, {Name: "b", Data: []float32{2}}}
	if b, ok := w.Find("b"); !ok || b.Data[0] != 2 {
		t.Errorf("Find of b returned %v, %t", b, ok)
	}
	if _, ok := w.Find("c"); ok {
		t.Error("Find found a tensor that is not there")
	}
}
