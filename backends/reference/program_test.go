package reference_test

import (
	"math"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// TestInputsOfAStep reads back the two inputs of a step, which the conformance suite only compares between backends:
// the pixels, scaled, normalised and sorted by channel, and the learning rate.
func TestInputsOfAStep(t *testing.T) {
	var g graph.Graph
	image := g.Image("views", 4, 1, 2, [3]float64{0, 0.5, 0.2}, [3]float64{1, 0.5, 0.1})
	z := g.L2Normalize(g.AvgPool(image))
	seen, rate := g.State("seen", image.Shape...), g.State("rate")
	step := &graph.Step{
		Graph: &g, Loss: g.NTXent(z, 1), Accuracy: g.PairAccuracy(z), Spread: g.Spread(z), Project: z,
		Updates: []graph.Update{{Target: seen, Value: image}, {Target: rate, Value: g.Rate()}},
	}
	b, err := backends.Open(t.Context(), "reference", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Compile(t.Context(), step)
	if err != nil {
		t.Fatal(err)
	}
	batch := record(t, []byte{
		0, 51, 102, 255, 204, 153, // the first view: two pixels of red, green, blue
		51, 0, 0, 0, 0, 0, // the second
		0, 255, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 255,
	}, [4]int{2, 1, 2, 3})
	if _, err := p.Step(t.Context(), batch, 0.125); err != nil {
		t.Fatal(err)
	}
	w, err := p.Save()
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{
		0, 1, -0.6, 0.6, 2, 4,
		0.2, 0, -1, -1, -2, -2,
		0, 0, 1, -1, -2, -2,
		0, 0, -1, -1, -2, 8,
	}
	got, _ := w.Find("seen")
	for i := range want {
		if math.Abs(float64(got.Data[i])-want[i]) > 1e-6 {
			t.Errorf("element %d of the image is %v, want %v", i, got.Data[i], want[i])
		}
	}
	if lr, _ := w.Find("rate"); lr.Data[0] != 0.125 {
		t.Errorf("the learning rate is %v, want 0.125", lr.Data)
	}
}

// record makes a record of views, of the shape [V,H,W,C] a row.
func record(t *testing.T, pix []byte, shape [4]int) arrow.Record {
	t.Helper()
	column, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Uint8, shape[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	size := graph.Size(shape[:])
	b := array.NewFixedSizeListBuilder(memory.DefaultAllocator, int32(size), arrow.PrimitiveTypes.Uint8)
	for range len(pix) / size {
		b.Append(true)
	}
	b.ValueBuilder().(*array.Uint8Builder).AppendValues(pix, nil)
	views := array.NewExtensionArrayWithStorage(column, b.NewArray())
	schema := arrow.NewSchema([]arrow.Field{{Name: "views", Type: column}}, nil)
	return array.NewRecord(schema, []arrow.Array{views}, int64(views.Len()))
}
