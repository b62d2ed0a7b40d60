package onnx

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// encoderOf is the smallest encoder with every kind of weight: a convolution, batch norms with and without beta, and a matrix.
func encoderOf(rows, size int) *graph.Step {
	g := &graph.Graph{}
	x := g.Image("views", rows, size, size, [3]float64{0.5, 0.4, 0.3}, [3]float64{0.2, 0.3, 0.4})
	x = g.Conv(x, g.Param("conv.weight", 4, 3, 3, 3), 1, 1)
	moments := func(name string) *graph.Node { return g.Stack(g.State(name+".mean", 4), g.State(name+".variance", 4)) }
	y := g.Normalize(x, moments("a"), g.Param("a.gamma", 4), g.Param("a.beta", 4), nil, true, 1e-5)
	y = g.Normalize(y, moments("b"), g.Param("b.gamma", 4), nil, x, false, 1e-5)
	return &graph.Step{Graph: g, Features: g.MatMul(g.AvgPool(y), g.Param("fc.weight", 5, 4), false, true)}
}

// positiveWeights are random weights that can be variances.
func positiveWeights(s *graph.Step) backends.Weights {
	w := randomWeights(s)
	for _, t := range w {
		for i, v := range t.Data {
			t.Data[i] = max(v, -v)
		}
	}
	return w
}

// TestExport runs an exported model on fewer rows than the step has and compares it with the program.
func TestExport(t *testing.T) {
	b := openTest(t)
	defer closeTest(t, b)
	s := encoderOf(8, 6)
	w := positiveWeights(s)
	p, err := b.Compile(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, p)
	if err := p.Load(w); err != nil {
		t.Fatal(err)
	}
	batch := pairsOf(t, 3, 6)
	want, err := p.Embed(t.Context(), batch, backends.Eval)
	if err != nil {
		t.Fatal(err)
	}
	var model bytes.Buffer
	w = append(w, backends.Tensor{Name: "of the head", Shape: []int{1}, Data: []float32{1}})
	if err := Export(&model, s, w, Description{Version: "v1", Doc: "A model.", Metadata: map[string]string{"a": "1", "b": "2"}}); err != nil {
		t.Fatal(err)
	}
	// Runtimes fold a batch norm into the convolution before it only if it is that operator, of weights as they are.
	if n := strings.Count(model.String(), "BatchNormalization#"); n < 3 || strings.Contains(model.String(), "Sqrt") {
		t.Errorf("batch norms are not operators of that name: %d mentions", n)
	}
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(model.Bytes(), []string{"images"}, []string{"features"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Destroy()
	pix, _, err := pipeline.Views(batch)
	if err != nil {
		t.Fatal(err)
	}
	in, err := ort.NewTensor(ort.NewShape(6, 6, 6, 3), pix)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Destroy()
	out := []ort.Value{nil}
	if err := session.Run([]ort.Value{in}, out); err != nil {
		t.Fatal(err)
	}
	defer out[0].Destroy()
	got := out[0].(*ort.Tensor[float32])
	if !slices.Equal(got.GetShape(), ort.NewShape(6, 5)) {
		t.Fatalf("features of shape %v", got.GetShape())
	}
	for i, v := range got.GetData() {
		if d := v - want.Data[i]; d > 1e-5 || d < -1e-5 {
			t.Errorf("feature %d is %g, want %g", i, v, want.Data[i])
		}
	}
}

// TestExportRepeats: the same weights give the same bytes, whatever the order of a map.
func TestExportRepeats(t *testing.T) {
	s := encoderOf(8, 6)
	d := Description{Metadata: map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}}
	var first bytes.Buffer
	for i := range 10 {
		var model bytes.Buffer
		if err := Export(&model, s, positiveWeights(s), d); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = model
		} else if !bytes.Equal(model.Bytes(), first.Bytes()) {
			t.Fatal("two exports differ")
		}
	}
}

func TestExportErrors(t *testing.T) {
	s := encoderOf(8, 6)
	w := positiveWeights(s)
	giant := func() *graph.Step {
		g := &graph.Graph{}
		x := g.AvgPool(g.Image("views", 2, 4, 4, [3]float64{}, [3]float64{1, 1, 1}))
		return &graph.Step{Graph: g, Features: g.MatMul(x, g.Param("w", 200_000_000, 3), false, true)}
	}
	for _, c := range []struct {
		name string
		step *graph.Step
		w    backends.Weights
		want string
	}{
		{"no features", &graph.Step{Graph: s.Graph}, w, "no Features"},
		{"no image", &graph.Step{Graph: s.Graph, Features: s.Graph.Param("alone", 2, 2)}, w, "depends on no image"},
		{"missing tensor", s, w[1:], w[0].Name},
		{"training operation", trainingEncoder(), w, "no operation that this backend knows"},
		{"too large", giant(), nil, "a model of 2.4 GB is too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var model bytes.Buffer
			err := Export(&model, c.step, c.w, Description{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if large := c.name == "too large"; errors.Is(err, ErrTooLarge) != large {
				t.Errorf("error %v is ErrTooLarge: %t", err, !large)
			}
			if model.Len() > 0 {
				t.Errorf("%d bytes are written", model.Len())
			}
		})
	}
}

// trainingEncoder depends on the learning rate, which no exported model has.
func trainingEncoder() *graph.Step {
	s := encoderOf(8, 6)
	s.Features = s.Graph.Descend(s.Features, s.Features, s.Graph.Rate())
	return s
}
