package reference_test

import (
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	_ "github.com/goclr/goclr/backends/reference"
)

func TestUnknownDevice(t *testing.T) {
	_, err := backends.Open(t.Context(), "reference", backends.Options{Device: "cuda:0"})
	if err == nil || !strings.Contains(err.Error(), `"cuda:0"`) || !strings.Contains(err.Error(), "known devices are cpu") {
		t.Errorf("Open on an unknown device: %v; want its name and the known ones", err)
	}
}

func TestUnknownOptions(t *testing.T) {
	for _, o := range []backends.Options{
		{Provider: "OpenVINO"}, {ProviderOptions: map[string]string{"use_tf32": "0"}}, {Profile: "steps.json"},
	} {
		if _, err := backends.Open(t.Context(), "reference", o); err == nil || !strings.Contains(err.Error(), "backend onnx") {
			t.Errorf("Open with %+v: %v; want an error that says who has it", o, err)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, c := range []struct {
		name, message string
		features      func(g *graph.Graph) *graph.Node
	}{
		{"another column", "column views", func(g *graph.Graph) *graph.Node {
			return g.AvgPool(g.Image("crops", 2, 4, 4, [3]float64{}, [3]float64{1, 1, 1}))
		}},
		{"an operation from the future", "no operation that this backend knows", func(g *graph.Graph) *graph.Node {
			n := g.AvgPool(g.Image("views", 2, 4, 4, [3]float64{}, [3]float64{1, 1, 1}))
			n.Op = "MedianPool"
			return n
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := backends.Open(t.Context(), "reference", backends.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var g graph.Graph
			_, err = b.Compile(t.Context(), &graph.Step{Graph: &g, Features: c.features(&g)})
			if err == nil || !strings.Contains(err.Error(), c.message) {
				t.Errorf("Compile returned %v; want ...%s", err, c.message)
			}
		})
	}
}
