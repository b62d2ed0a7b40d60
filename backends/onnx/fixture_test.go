package onnx

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	_ "github.com/goclr/goclr/backends/reference"
	"github.com/goclr/goclr/pipeline"
)

// openTest opens the backend with two threads. It skips the test where there is no library at all.
func openTest(t testing.TB) backends.Backend {
	t.Helper()
	return openWith(t, backends.Options{Threads: 2})
}

// openWith opens the backend with options. It skips the test where there is no library at all.
func openWith(t testing.TB, o backends.Options) backends.Backend {
	t.Helper()
	b, err := backends.Open(t.Context(), "onnx", o)
	if errors.Is(err, ErrNoLibrary) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func closeTest(t testing.TB, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// pairsOf makes a record of random pairs.
func pairsOf(t testing.TB, rows, size int) arrow.Record {
	t.Helper()
	views, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Uint8, []int{2, size, size, 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "views", Type: views}}, nil))
	defer b.Release()
	list := b.Field(0).(*array.ExtensionBuilder).StorageBuilder().(*array.FixedSizeListBuilder)
	random := rand.New(rand.NewPCG(1, 2))
	for range rows {
		list.Append(true)
		for range 2 * size * size * 3 {
			list.ValueBuilder().(*array.Uint8Builder).Append(uint8(random.IntN(256)))
		}
	}
	r := b.NewRecord()
	t.Cleanup(r.Release)
	return r
}

// stepOf makes a training step of pairs with the smallest model there is: the mean colours of a view, times w. build
// adds the updates.
func stepOf(pairs, size int, build func(g *graph.Graph, w, loss *graph.Node) []graph.Update) *graph.Step {
	g := &graph.Graph{}
	x := g.Image("views", 2*pairs, size, size, [3]float64{0.5, 0.5, 0.5}, [3]float64{1, 1, 1})
	w := g.Param("w", 3, 4)
	z := g.L2Normalize(g.MatMul(g.AvgPool(x), w, false, false))
	s := &graph.Step{Graph: g, Project: z, Loss: g.NTXent(z, 0.5), Accuracy: g.PairAccuracy(z), Spread: g.Spread(z)}
	s.Updates = build(g, w, s.Loss)
	return s
}

// blockOf makes a training step of convolutions with batch normalisation, as heavy as asked.
func blockOf(pairs, size, channels, layers int) *graph.Step {
	g := &graph.Graph{}
	var params []*graph.Node
	param := func(name string, shape ...int) *graph.Node {
		params = append(params, g.Param(name, shape...))
		return params[len(params)-1]
	}
	x := g.Image("views", 2*pairs, size, size, [3]float64{0.5, 0.5, 0.5}, [3]float64{1, 1, 1})
	for i := range layers {
		name := string(rune('a' + i))
		x = g.Conv(x, param(name+".conv", channels, x.Shape[1], 3, 3), 1, 1)
		x = g.Normalize(x, g.Moments(x), param(name+".gamma", channels), param(name+".beta", channels), nil, true, 1e-5)
	}
	z := g.L2Normalize(g.AvgPool(x))
	s := &graph.Step{Graph: g, Project: z, Loss: g.NTXent(z, 0.5), Accuracy: g.PairAccuracy(z), Spread: g.Spread(z)}
	for i, grad := range g.Grad(s.Loss, params) {
		s.Updates = append(s.Updates, graph.Update{Target: params[i], Value: g.Descend(params[i], grad, g.Rate())})
	}
	return s
}

// randomWeights gives each tensor of the step values near 0.1.
func randomWeights(s *graph.Step) backends.Weights {
	random := rand.New(rand.NewPCG(3, 4))
	var w backends.Weights
	for _, n := range s.Tensors() {
		data := make([]float32, n.Size())
		for i := range data {
			data[i] = 0.1 + 0.1*float32(random.NormFloat64())
		}
		w = append(w, backends.Tensor{Name: n.Name, Shape: n.Shape, Data: data})
	}
	return w
}

// programOf compiles the step and loads random weights.
func programOf(t testing.TB, b backends.Backend, s *graph.Step) backends.Program {
	t.Helper()
	p, err := b.Compile(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Load(randomWeights(s)); err != nil {
		t.Fatal(err)
	}
	return p
}
