package backendtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/reference"
)

// testChunks takes steps in parts: gradients of several batches, then one update.
func testChunks(t *testing.T, s *suite) {
	st, w, _ := newNetwork(13)
	p := program(t, s.backend, st, w)
	err := p.Backward(t.Context(), pairs(1, batchSize, height, width).record(t), make([]float32, st.Project.Size()))
	if errors.Is(err, backends.ErrUnsupported) {
		t.Skip("Backward is optional, and this backend has it not")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"OneIsAStep", testOneChunk},
		{"Sum", testSeveralChunks},
		{"Deterministic", testChunksAreDeterministic},
		{"SetGradients", testSetGradients},
		{"Nothing", testNoGradients},
		{"Errors", testChunkErrors},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

// chunks are batches of a network that the loss compares as one.
func chunks(seed uint64, n int) []pixels {
	all := pairs(seed, n*batchSize, height, width)
	var out []pixels
	for i := range n {
		out = append(out, all.slice(i*batchSize, (i+1)*batchSize))
	}
	return out
}

// lossGradient is the gradient of the network's loss over all chunks, with respect to their projections.
func lossGradient(t *testing.T, p backends.Program, parts []pixels) []float32 {
	t.Helper()
	var z []float64
	dim := 0
	for _, part := range parts {
		e := embed(t, p, part, backends.Train)
		dim = e.Dim
		for _, v := range e.Data {
			z = append(z, float64(v))
		}
	}
	var g graph.Graph
	node := g.State("z", len(z)/dim, dim)
	results, err := reference.Eval(t.Context(), &g, map[*graph.Node][]float64{node: z}, g.NTXentGrad(node, temperature))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(z))
	for i, v := range results[0] {
		out[i] = float32(v)
	}
	return out
}

// backward adds the gradients of all chunks.
func backward(t *testing.T, p backends.Program, parts []pixels) {
	t.Helper()
	d := lossGradient(t, p, parts)
	for i, part := range slices.Collect(slices.Chunk(d, len(d)/len(parts))) {
		if err := p.Backward(t.Context(), parts[i].record(t), part); err != nil {
			t.Fatalf("Backward: %v", err)
		}
	}
}

func gradients(t *testing.T, p backends.Program) backends.Weights {
	t.Helper()
	w, err := p.Gradients()
	if err != nil {
		t.Fatalf("Gradients: %v", err)
	}
	return w
}

func update(t *testing.T, p backends.Program) {
	t.Helper()
	if err := p.Update(rate); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// testOneChunk compares steps in parts with whole ones, where batch normalisation sees the same rows.
func testOneChunk(t *testing.T, s *suite) {
	st, w, _ := newNetwork(14)
	got, want := program(t, s.backend, st, w), program(t, s.backend, st, w)
	images := singles(1, evalRows, height, width)
	for i := range 3 {
		parts := chunks(uint64(i), 1)
		before, features := save(t, got), embed(t, got, images, backends.Eval)
		backward(t, got, parts)
		same(t, "weights after Backward, before Update", save(t, got), before)
		if e := embed(t, got, images, backends.Eval); !slices.EqualFunc(e.Data, features.Data, sameBits) {
			t.Error("features have changed before Update")
		}
		update(t, got)
		step(t, want, parts[0], rate)
		nearWeights(t, save(t, got), save(t, want), 20*s.tolerance*float64(i+1))
	}
}

// testSeveralChunks compares gradients, weights and running statistics of three chunks.
func testSeveralChunks(t *testing.T, s *suite) {
	st, w, _ := newNetwork(15)
	got, want := program(t, s.backend, st, w), oracle(t, st, w)
	for i := range 2 {
		parts := chunks(uint64(i), 3)
		backward(t, got, parts)
		backward(t, want, parts)
		sum := gradients(t, got)
		for j, g := range st.Gradients {
			if sum[j].Name != g.Param.Name || !slices.Equal(sum[j].Shape, g.Param.Shape) {
				t.Errorf("gradient %d is %q %v, want that of %v", j, sum[j].Name, sum[j].Shape, g.Param)
			}
		}
		tolerance := 20 * s.tolerance * float64(i+1)
		nearWeights(t, sum, gradients(t, want), tolerance)
		update(t, got)
		update(t, want)
		nearWeights(t, save(t, got), save(t, want), tolerance)
	}
}

func testChunksAreDeterministic(t *testing.T, s *suite) {
	st, w, _ := newNetwork(16)
	first, second := program(t, s.backend, st, w), program(t, s.backend, st, w)
	for i := range 2 {
		for _, p := range []backends.Program{first, second} {
			backward(t, p, chunks(uint64(i), 2))
			update(t, p)
		}
	}
	same(t, "weights after the same steps", save(t, second), save(t, first))
}

// testSetGradients replaces the gradients: by themselves, which changes no bit, and by those of another program, whose
// optimiser then does the same to the weights.
func testSetGradients(t *testing.T, s *suite) {
	st, w, _ := newNetwork(17)
	first, second, third := program(t, s.backend, st, w), program(t, s.backend, st, w), program(t, s.backend, st, w)
	backward(t, first, chunks(1, 2))
	backward(t, second, chunks(1, 2))
	backward(t, third, chunks(2, 2))
	own := gradients(t, first)
	mine := gradients(t, second)
	slices.Reverse(mine)
	for _, p := range []backends.Program{second, third} {
		if err := p.SetGradients(mine); err != nil {
			t.Fatal(err)
		}
		same(t, "Gradients after SetGradients", gradients(t, p), own)
	}
	for _, tensor := range slices.Concat(mine, gradients(t, second)) {
		clear(tensor.Data) // what SetGradients took and Gradients returned is the caller's
	}
	for _, p := range []backends.Program{first, second, third} {
		update(t, p)
	}
	want := save(t, first)
	same(t, "weights after an update by the own gradients", save(t, second), want)
	for _, g := range st.Gradients { // the running statistics are those of other batches
		got := find(t, save(t, third), g.Param.Name)
		if !slices.EqualFunc(got.Data, find(t, want, g.Param.Name).Data, sameBits) {
			t.Errorf("an update by the gradients of another program changes %q in another way", got.Name)
		}
	}
}

// testNoGradients checks that each of the methods that need gradients says so where there are none.
func testNoGradients(t *testing.T, s *suite) {
	st, w, _ := newNetwork(18)
	p := program(t, s.backend, st, w)
	other := program(t, s.backend, st, w)
	backward(t, other, chunks(1, 1))
	some := gradients(t, other)
	none := func(when string) {
		t.Helper()
		before := save(t, p)
		_, err := p.Gradients()
		for name, err := range map[string]error{"Gradients": err, "SetGradients": p.SetGradients(some), "Update": p.Update(rate)} {
			if !errors.Is(err, backends.ErrNoGradients) {
				t.Errorf("%s %s returned %v, want ErrNoGradients", name, when, err)
			}
		}
		same(t, "weights after the errors", save(t, p), before)
	}
	none("at first")
	backward(t, p, chunks(1, 1))
	update(t, p)
	none("after Update")
	backward(t, p, chunks(1, 1))
	if err := p.Load(w); err != nil {
		t.Fatal(err)
	}
	none("after Load")
	backward(t, p, chunks(1, 1))
	step(t, p, chunks(2, 1)[0], rate)
	none("after Step")
	if err := p.Load(w); err != nil {
		t.Fatal(err)
	}
	backward(t, p, chunks(1, 1))
	same(t, "gradients after others were dropped", gradients(t, p), some)

	encoder := program(t, s.backend, &graph.Step{Graph: st.Graph, Features: st.Features}, w)
	if err := encoder.Backward(t.Context(), chunks(1, 1)[0].record(t), make([]float32, st.Project.Size())); err == nil {
		t.Error("Backward worked in a program without a loss")
	}
}

// testChunkErrors makes calls that fail between two that do not: the sum is that of the two.
func testChunkErrors(t *testing.T, s *suite) {
	st, w, _ := newNetwork(19)
	p, clean := program(t, s.backend, st, w), program(t, s.backend, st, w)
	parts := chunks(1, 2)
	size := st.Project.Size()
	d := lossGradient(t, p, parts)
	add := func(p backends.Program, i int) {
		t.Helper()
		if err := p.Backward(t.Context(), parts[i].record(t), d[i*size:][:size]); err != nil {
			t.Fatal(err)
		}
	}
	add(p, 0)
	before := gradients(t, p)
	for _, c := range []struct {
		name string
		ctx  context.Context
		pix  pixels
		d    []float32
	}{
		{"cancelled", cancelled(t), parts[1], d[:size]},
		{"too few numbers", t.Context(), parts[1], d[:size-1]},
		{"too many numbers", t.Context(), parts[1], d[:size+1]},
		{"smaller batch", t.Context(), parts[1].slice(1, batchSize), d[:size]},
		{"single views", t.Context(), singles(1, 2*batchSize, height, width), d[:size]},
	} {
		err := p.Backward(c.ctx, c.pix.record(t), c.d)
		if err == nil {
			t.Errorf("%s: Backward took it", c.name)
		}
		if c.ctx.Err() != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the error is %v", c.name, err)
		}
		same(t, "gradients after the error", gradients(t, p), before)
	}
	last := before[len(before)-1]
	short, flat := last, last
	short.Data = last.Data[1:]
	flat.Shape = append([]int{1}, last.Shape...)
	for name, wrong := range map[string]backends.Weights{
		"missing": without(before, last.Name), "short": with(before, short), "another shape": with(before, flat),
	} {
		changed := slices.Clone(wrong)
		changed[0].Data = make([]float32, len(changed[0].Data))
		if err := p.SetGradients(changed); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", last.Name)) {
			t.Errorf("%s: SetGradients returned %v, want an error that names %q", name, err, last.Name)
		}
		same(t, "gradients after the error", gradients(t, p), before)
	}
	add(p, 1)
	update(t, p)
	add(clean, 0)
	add(clean, 1)
	update(t, clean)
	same(t, "weights after calls that failed in between", save(t, p), save(t, clean))
}
