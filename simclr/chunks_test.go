package simclr

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/reference"
	"github.com/goclr/goclr/pipeline"
)

// A spy is the reference backend, whose programs tell what chunks they are given.
type spy struct {
	backends.Backend
	embedded   func(pix []byte, z []float32)
	backward   func(pix []byte, dz []float32)
	afterwards func() // called when Backward is done
}

func newSpy(t *testing.T) *spy {
	t.Helper()
	b, err := backends.Open(t.Context(), "reference", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &spy{b, func([]byte, []float32) {}, func([]byte, []float32) {}, func() {}}
}

func (s *spy) Compile(ctx context.Context, step *graph.Step) (backends.Program, error) {
	p, err := s.Backend.Compile(ctx, step)
	return &spyProgram{p, s}, err
}

type spyProgram struct {
	backends.Program
	spy *spy
}

func (p *spyProgram) Embed(ctx context.Context, batch arrow.Record, m backends.Mode) (backends.Embeddings, error) {
	e, err := p.Program.Embed(ctx, batch, m)
	if err == nil && m == backends.Train {
		pix, _, _ := pipeline.Views(batch)
		p.spy.embedded(bytes.Clone(pix), e.Data)
	}
	return e, err
}

func (p *spyProgram) Backward(ctx context.Context, batch arrow.Record, dz []float32) error {
	pix, _, _ := pipeline.Views(batch)
	p.spy.backward(bytes.Clone(pix), dz)
	err := p.Program.Backward(ctx, batch, dz)
	p.spy.afterwards()
	return err
}

// chunkedRun is a run of two steps of 4 images, the chunk as given.
func chunkedRun(t *testing.T, chunk int) Run {
	r := Run{Dir: t.TempDir(), Config: testConfig(), MaxSteps: 2}
	r.Chunk = chunk
	return r
}

func losses(t *testing.T, r Run) []float32 {
	t.Helper()
	records, err := ReadMetrics(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []float32
	for _, rec := range records {
		out = append(out, *rec.Loss)
	}
	return out
}

// TestChunksAreComparedAsOneBatch looks at what the network is given: each chunk twice, the second time with the part of the
// gradient that is its own, of the loss over all.
func TestChunksAreComparedAsOneBatch(t *testing.T) {
	s := newSpy(t)
	var pixels [][]byte
	var z []float32
	var gradients [][]float32
	s.embedded = func(pix []byte, e []float32) {
		pixels = append(pixels, pix)
		z = append(z, e...)
	}
	s.backward = func(pix []byte, dz []float32) {
		if at := len(gradients); at >= len(pixels) || !bytes.Equal(pix, pixels[at]) {
			t.Errorf("chunk %d is another one than at first", at)
		}
		gradients = append(gradients, slices.Clone(dz))
	}
	r := chunkedRun(t, 2)
	r.MaxSteps = 1
	if err := r.Train(t.Context(), s, testPipeline(t, 1)); err != nil {
		t.Fatal(err)
	}
	if len(pixels) != 2 || len(gradients) != 2 || bytes.Equal(pixels[0], pixels[1]) {
		t.Fatalf("the network was given %d chunks, and %d for their gradients", len(pixels), len(gradients))
	}
	var g graph.Graph
	node := g.State("z", 8, r.Model.Projection)
	leaf := make([]float64, len(z))
	for i, v := range z {
		leaf[i] = float64(v)
	}
	want, err := reference.Eval(t.Context(), &g, map[*graph.Node][]float64{node: leaf},
		g.NTXent(node, r.Model.Temperature), g.NTXentGrad(node, r.Model.Temperature))
	if err != nil {
		t.Fatal(err)
	}
	if got := losses(t, r); math.Abs(float64(got[0])-want[0][0]) > 1e-5 {
		t.Errorf("loss %v, over all projections it is %v", got[0], want[0][0])
	}
	for i, v := range slices.Concat(gradients...) {
		if math.Abs(float64(v)-want[1][i]) > 1e-5 {
			t.Fatalf("element %d of the gradient is %v, want %v", i, v, want[1][i])
		}
	}
}

// TestOneChunkIsTheWholeBatch: where batch normalisation sees the same rows, a run in chunks is the same run, up to rounding.
func TestOneChunkIsTheWholeBatch(t *testing.T) {
	var got [2][]float32
	for i, chunk := range []int{0, 4} {
		r := chunkedRun(t, chunk)
		if err := r.Train(t.Context(), newSpy(t), testPipeline(t, 1)); err != nil {
			t.Fatal(err)
		}
		got[i] = losses(t, r)
	}
	for i := range got[0] {
		if math.Abs(float64(got[1][i]-got[0][i])) > 1e-3 {
			t.Errorf("losses %v in one chunk, %v as a whole", got[1], got[0])
			break
		}
	}
}

// TestChunkedRunsResumeToTheBit stops a run between any two chunks: what the step has done so far must leave no trace.
func TestChunkedRunsResumeToTheBit(t *testing.T) {
	whole := chunkedRun(t, 2)
	if err := whole.Train(t.Context(), newSpy(t), testPipeline(t, 2)); err != nil {
		t.Fatal(err)
	}
	want := digest(t, whole.Dir)
	for stop := 1; stop < 4; stop++ {
		ctx, cancel := context.WithCancel(t.Context())
		s, calls := newSpy(t), 0
		s.afterwards = func() {
			if calls++; calls == stop {
				cancel()
			}
		}
		r := chunkedRun(t, 2)
		err := r.Train(ctx, s, testPipeline(t, 2))
		cancel()
		if !errors.Is(err, ErrStopped) {
			t.Fatalf("stopped after chunk %d: error %v", stop, err)
		}
		r.Resume = true
		if err := r.Train(t.Context(), newSpy(t), testPipeline(t, 1)); err != nil {
			t.Fatal(err)
		}
		if got := digest(t, r.Dir); got != want {
			t.Errorf("stopped after chunk %d, the weights end as %s, want %s", stop, got, want)
		}
	}
}
