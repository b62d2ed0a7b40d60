package backendtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

func testInfo(t *testing.T, s *suite) {
	info := s.backend.Info()
	if info.Backend == "" || info.Device == "" || info.Library == "" || info.CPU == "" || info.Threads < 1 {
		t.Errorf("Info is %+v: every field is needed to say what decides the bits", info)
	}
}

// testGradients compares the gradient of each parameter of the network.
func testGradients(t *testing.T, s *suite) {
	for seed := range uint64(3) {
		st, w := gradientStep(seed)
		got, want := program(t, s.backend, st, w), oracle(t, st, w)
		batch := pairs(seed, batchSize, height, width)
		step(t, got, batch, rate)
		step(t, want, batch, rate)
		nearWeights(t, save(t, got), save(t, want), 20*s.tolerance) // a chain of fifteen operations and back
	}
}

// testTraining compares metrics and weights over some steps.
func testTraining(t *testing.T, s *suite) {
	st, w, _ := newNetwork(1)
	got, want := program(t, s.backend, st, w), oracle(t, st, w)
	for i := range 4 {
		batch := pairs(uint64(i), batchSize, height, width)
		lr := rate / float32(i+1)
		g, m := step(t, got, batch, lr), step(t, want, batch, lr)
		tolerance := 20 * s.tolerance * float64(i+1)
		near(t, fmt.Sprintf("loss of step %d", i), []float32{g.Loss}, []float32{m.Loss}, tolerance)
		near(t, fmt.Sprintf("accuracy of step %d", i), []float32{g.Accuracy}, []float32{m.Accuracy}, tolerance)
		near(t, fmt.Sprintf("spread of step %d", i), []float32{g.Spread}, []float32{m.Spread}, tolerance)
		nearWeights(t, save(t, got), save(t, want), tolerance)
	}
}

// testOverfit trains on one batch until its pairs are told apart.
func testOverfit(t *testing.T, s *suite) {
	st, w, _ := newNetwork(2)
	p := program(t, s.backend, st, w)
	batch := pairs(1, batchSize, height, width)
	first := step(t, p, batch, rate)
	var last backends.Metrics
	for range 60 {
		last = step(t, p, batch, rate)
	}
	t.Logf("loss %.3f to %.3f, accuracy %.2f to %.2f", first.Loss, last.Loss, first.Accuracy, last.Accuracy)
	if !(last.Loss < first.Loss/4) || last.Accuracy < 0.99 {
		t.Errorf("61 steps on one batch brought the loss from %.3f to %.3f and the accuracy to %.2f: it does not learn",
			first.Loss, last.Loss, last.Accuracy)
	}
}

// run takes n steps on batches of their own and returns the metrics and weights.
func run(t *testing.T, p backends.Program, from, n int) ([]backends.Metrics, backends.Weights) {
	t.Helper()
	var metrics []backends.Metrics
	for i := range n {
		metrics = append(metrics, step(t, p, pairs(uint64(from+i), batchSize, height, width), rate))
	}
	return metrics, save(t, p)
}

// testDeterministic takes the same steps in two programs that live side by side: they share nothing and agree to the bit.
func testDeterministic(t *testing.T, s *suite) {
	st, w, _ := newNetwork(3)
	first, second := program(t, s.backend, st, w), program(t, s.backend, st, w)
	firstMetrics, firstWeights := run(t, first, 0, 3)
	secondMetrics, secondWeights := run(t, second, 0, 3)
	if !slices.Equal(firstMetrics, secondMetrics) {
		t.Errorf("metrics of the same steps: %v, then %v", firstMetrics, secondMetrics)
	}
	same(t, "weights after the same steps", secondWeights, firstWeights)
}

// testResume continues from saved weights in a new program, as a run does that was killed.
func testResume(t *testing.T, s *suite) {
	st, w, _ := newNetwork(4)
	whole := program(t, s.backend, st, w)
	_, saved := run(t, whole, 0, 2)
	wantMetrics, want := run(t, whole, 2, 2)

	resumed := program(t, s.backend, st, saved)
	same(t, "Save after Load", save(t, resumed), saved)
	gotMetrics, got := run(t, resumed, 2, 2)
	if !slices.Equal(gotMetrics, wantMetrics) {
		t.Errorf("metrics of the resumed steps are %v, want %v", gotMetrics, wantMetrics)
	}
	same(t, "weights after resuming", got, want)
}

// testWeights checks what Save returns: all tensors, in graph order, zero at first, and nobody else's memory.
func testWeights(t *testing.T, s *suite) {
	st, w, _ := newNetwork(5)
	p := program(t, s.backend, st, nil)
	fresh := save(t, p)
	nodes := st.Tensors()
	if len(fresh) != len(nodes) {
		t.Fatalf("Save returned %d tensors, want %d", len(fresh), len(nodes))
	}
	for i, n := range nodes {
		if fresh[i].Name != n.Name || !slices.Equal(fresh[i].Shape, n.Shape) || len(fresh[i].Data) != n.Size() {
			t.Errorf("tensor %d of Save is %q %v of %d elements, want %v", i, fresh[i].Name, fresh[i].Shape, len(fresh[i].Data), n)
		}
		if slices.ContainsFunc(fresh[i].Data, func(v float32) bool { return v != 0 }) {
			t.Errorf("%v is not zero before Load", n)
		}
	}

	mine := slices.Clone(w)
	for i := range mine {
		mine[i].Data = slices.Clone(mine[i].Data)
	}
	if err := p.Load(mine); err != nil {
		t.Fatal(err)
	}
	before := save(t, p)
	for _, tensor := range slices.Concat(mine, save(t, p)) {
		for i := range tensor.Data {
			tensor.Data[i] = 42
		}
	}
	same(t, "Save after writing to what Load took and Save returned", save(t, p), before)
}

func testLoad(t *testing.T, s *suite) {
	st, w, _ := newNetwork(6)
	p := program(t, s.backend, st, w)
	_, before := run(t, p, 0, 1) // the momentum is no longer zero
	conv := find(t, before, "conv1.weight")

	short, flat, other := conv, conv, conv
	short.Data = conv.Data[1:]
	flat.Shape = []int{len(conv.Data)}
	other.Data = make([]float32, len(conv.Data))
	last := lastRequired(st)
	momentum := backends.Tensor{Name: "momentum/conv1.weight", Shape: []int{1}, Data: []float32{1}}
	for _, c := range []struct {
		name, tensor string
		weights      backends.Weights
	}{
		{"no parameter", "head.3.weight", without(before, "head.3.weight")},
		{"no state", "bn1.running_var", without(before, "bn1.running_var")},
		{"another shape", conv.Name, with(before, flat)},
		{"too few elements", conv.Name, with(before, short)},
		{"momentum of another shape", momentum.Name, with(before, momentum)},
		{"good weights before the missing one", last, without(with(before, other), last)},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := p.Load(c.weights)
			if err == nil {
				t.Fatal("Load took them")
			}
			if !strings.Contains(err.Error(), c.tensor) {
				t.Errorf("the error does not name %q: %v", c.tensor, err)
			}
			same(t, "weights after the error", save(t, p), before)
		})
	}
	t.Run("no momentum", func(t *testing.T) {
		unknown := backends.Tensor{Name: "ignored", Shape: []int{1}, Data: []float32{1}}
		if err := p.Load(with(without(before, "momentum/conv1.weight"), unknown)); err != nil {
			t.Fatal(err)
		}
		momentum := find(t, before, "momentum/conv1.weight")
		momentum.Data = make([]float32, len(momentum.Data))
		for _, got := range save(t, p) {
			want := find(t, with(before, momentum), got.Name)
			if !slices.EqualFunc(got.Data, want.Data, sameBits) {
				t.Errorf("tensor %q is not what Load was given", got.Name)
			}
		}
	})
}

// lastRequired names the last tensor of a step that Load insists on.
func lastRequired(s *graph.Step) string {
	var name string
	for _, n := range s.Tensors() {
		if n.Op != graph.OpSlot {
			name = n.Name
		}
	}
	return name
}

// testEmbedEval checks that an image's features depend on nothing but the image.
func testEmbedEval(t *testing.T, s *suite) {
	st, w, _ := newNetwork(7)
	p := program(t, s.backend, st, w)
	all := singles(1, evalRows, height, width)
	e := embed(t, p, all, backends.Eval)
	want := embed(t, oracle(t, st, w), all, backends.Eval)
	if e.Rows != evalRows || e.Dim != want.Dim {
		t.Fatalf("Embed returned %d vectors of %d, want %d of %d", e.Rows, e.Dim, evalRows, want.Dim)
	}
	near(t, "features", e.Data, want.Data, 20*s.tolerance)
	for rows := 1; rows < evalRows; rows += 3 {
		part := embed(t, p, all.slice(0, rows), backends.Eval)
		if part.Rows != rows || !slices.EqualFunc(part.Data, e.Data[:rows*e.Dim], sameBits) {
			t.Errorf("the first %d images have other features alone (%d vectors) than in a batch of %d", rows, part.Rows, evalRows)
		}
	}
	reversed := embed(t, p, all.reversed(), backends.Eval)
	for i := range evalRows {
		elsewhere := reversed.Data[(evalRows-1-i)*e.Dim:][:e.Dim]
		near(t, fmt.Sprintf("features of image %d in another place", i), elsewhere, e.Data[i*e.Dim:][:e.Dim], s.tolerance)
	}
	views := pixels{rows: evalRows / 2, views: 2, h: height, w: width, c: 3, data: all.data} // the same images, two to a row
	if got := embed(t, p, views, backends.Eval); !slices.EqualFunc(got.Data, e.Data, sameBits) {
		t.Error("features of pairs differ from those of the same images one by one")
	}
	same(t, "weights after Embed", save(t, p), save(t, program(t, s.backend, st, w)))
}

func testEmbedTrain(t *testing.T, s *suite) {
	st, w, _ := newNetwork(8)
	p := program(t, s.backend, st, w)
	batch := pairs(1, batchSize, height, width)
	e, err := p.Embed(t.Context(), batch.record(t), backends.Train)
	if errors.Is(err, backends.ErrUnsupported) {
		t.Skip("Embed in mode Train is optional, and this backend has it not")
	}
	if err != nil {
		t.Fatal(err)
	}
	want := embed(t, oracle(t, st, w), batch, backends.Train)
	if e.Rows != 2*batchSize || e.Dim != want.Dim {
		t.Fatalf("Embed returned %d vectors of %d, want %d of %d", e.Rows, e.Dim, 2*batchSize, want.Dim)
	}
	near(t, "projections", e.Data, want.Data, 20*s.tolerance)
	same(t, "weights after Embed", save(t, p), save(t, program(t, s.backend, st, w)))
	if _, err := p.Embed(t.Context(), batch.slice(1, batchSize).record(t), backends.Train); err == nil {
		t.Error("a smaller batch was taken, whose statistics are not those of the step")
	}
}

// testEvaluationOnly compiles an encoder without a loss, as a service does.
func testEvaluationOnly(t *testing.T, s *suite) {
	st, w, _ := newNetwork(9)
	encoder := &graph.Step{Graph: st.Graph, Features: st.Features}
	p := program(t, s.backend, encoder, w)
	images := singles(1, evalRows, height, width)
	want := embed(t, oracle(t, st, w), images, backends.Eval)
	near(t, "features", embed(t, p, images, backends.Eval).Data, want.Data, 20*s.tolerance)
	if _, err := p.Step(t.Context(), pairs(1, batchSize, height, width).record(t), rate); err == nil {
		t.Error("Step trained a program without a loss")
	}
	if _, err := p.Embed(t.Context(), pairs(1, batchSize, height, width).record(t), backends.Train); err == nil {
		t.Error("Embed in mode Train returned vectors of a program without a projection")
	}
}

// testSlices gives the program a part of a larger record, which begins at an offset.
func testSlices(t *testing.T, s *suite) {
	st, w, _ := newNetwork(10)
	large := pairs(1, batchSize+5, height, width)
	slice := large.record(t).NewSlice(3, 3+batchSize)
	defer slice.Release()
	part := large.slice(3, 3+batchSize)

	got, want := program(t, s.backend, st, w), program(t, s.backend, st, w)
	metrics, err := got.Step(t.Context(), slice, rate)
	if err != nil {
		t.Fatal(err)
	}
	if m := step(t, want, part, rate); m != metrics {
		t.Errorf("metrics of a slice are %v, of a record with the same rows %v", metrics, m)
	}
	same(t, "weights after a step on a slice", save(t, got), save(t, want))

	images := large.record(t).NewSlice(4, 4+evalRows/2)
	defer images.Release()
	e, err := got.Embed(t.Context(), images, backends.Eval)
	if err != nil {
		t.Fatal(err)
	}
	if w := embed(t, want, large.slice(4, 4+evalRows/2), backends.Eval); !slices.EqualFunc(e.Data, w.Data, sameBits) {
		t.Error("features of a slice differ from those of a record with the same rows")
	}
}

// testWrongBatch gives the program what it was not compiled for: an error each time, and nothing is changed.
func testWrongBatch(t *testing.T, s *suite) {
	st, w, _ := newNetwork(11)
	p := program(t, s.backend, st, w)
	right := pairs(1, batchSize, height, width)
	tensor, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Uint8, []int{2, height, width, 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	grey := right
	grey.c, grey.data = 1, grey.data[:batchSize*2*height*width]
	turned := right
	turned.h, turned.w = width, height
	for _, c := range []struct {
		name  string
		batch arrow.Record // also more images than an evaluation takes
	}{
		{"fewer pairs", pairs(1, batchSize-1, height, width).record(t)},
		{"more pairs", pairs(1, batchSize+1, height, width).record(t)},
		{"single views", singles(1, 2*batchSize, height, width).record(t)},
		{"larger images", pairs(1, batchSize, height+1, width).record(t)},
		{"height and width exchanged", turned.record(t)},
		{"one channel", grey.record(t)},
		{"another column", newRecord(t, "images", tensor, batchSize, right.data, nil)},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := save(t, p)
			if _, err := p.Step(t.Context(), c.batch, rate); err == nil {
				t.Error("Step took it")
			}
			if _, err := p.Embed(t.Context(), c.batch, backends.Eval); err == nil {
				t.Error("Embed took it")
			}
			same(t, "weights after the errors", save(t, p), before)
		})
	}
}

func testCancelled(t *testing.T, s *suite) {
	st, w, _ := newNetwork(12)
	p := program(t, s.backend, st, w)
	before := save(t, p)
	ctx := cancelled(t)
	if _, err := p.Step(ctx, pairs(1, batchSize, height, width).record(t), rate); !errors.Is(err, context.Canceled) {
		t.Errorf("Step with a cancelled context returned %v", err)
	}
	if _, err := p.Embed(ctx, singles(1, evalRows, height, width).record(t), backends.Eval); !errors.Is(err, context.Canceled) {
		t.Errorf("Embed with a cancelled context returned %v", err)
	}
	same(t, "weights after the errors", save(t, p), before)
	step(t, p, pairs(1, batchSize, height, width), rate) // and the program still works
}

func testClose(t *testing.T, s *suite) {
	st, w, _ := newNetwork(14)
	p := program(t, s.backend, st, w)
	other := program(t, s.backend, st, w)
	for range 2 { // and a third time when the test ends
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	step(t, other, pairs(1, batchSize, height, width), rate) // closing one program leaves the others alone
}
