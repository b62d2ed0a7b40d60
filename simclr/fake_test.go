package simclr

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// fakeBackend trains nothing, but its weights are a digest of all steps so far, so that a step that is left out, repeated or
// fed with another batch or rate shows.
type fakeBackend struct {
	metrics func(step int) backends.Metrics // nil: healthy ones
	spoil   int                             // step after which a weight is NaN; 0: never
	steps   int                             // taken by all programs
}

func (b *fakeBackend) Compile(_ context.Context, s *graph.Step) (backends.Program, error) {
	return &fakeProgram{backend: b, step: s}, nil
}
func (b *fakeBackend) Info() backends.Info { return backends.Info{Backend: "fake"} }
func (b *fakeBackend) Close() error        { return nil }

type fakeProgram struct {
	backends.Program
	backend *fakeBackend
	step    *graph.Step
	values  [][]float32
}

func (p *fakeProgram) Load(w backends.Weights) error {
	values, err := backends.Match(p.step, w)
	if err != nil {
		return err
	}
	p.values = nil
	for i, n := range p.step.Tensors() {
		v := make([]float32, n.Size())
		copy(v, values[i])
		p.values = append(p.values, v)
	}
	return nil
}

func (p *fakeProgram) Save() (backends.Weights, error) {
	var w backends.Weights
	for i, n := range p.step.Tensors() {
		w = append(w, backends.Tensor{Name: n.Name, Shape: n.Shape, Data: append([]float32(nil), p.values[i]...)})
	}
	return w, nil
}

func (p *fakeProgram) Step(ctx context.Context, batch arrow.Record, lr float32) (backends.Metrics, error) {
	if err := ctx.Err(); err != nil {
		return backends.Metrics{}, err
	}
	pix, _, err := pipeline.Views(batch)
	if err != nil {
		return backends.Metrics{}, err
	}
	for i, v := range p.values { // each tensor must survive a checkpoint, momentum too
		h := sha256.New()
		fmt.Fprintln(h, i, v[0], lr)
		h.Write(pix)
		v[0] = float32(binary.LittleEndian.Uint16(h.Sum(nil)))
	}
	p.backend.steps++
	if p.backend.spoil > 0 && p.backend.steps >= p.backend.spoil {
		p.values[0][0] = float32(math.NaN())
	}
	if p.backend.metrics != nil {
		return p.backend.metrics(p.backend.steps), nil
	}
	return backends.Metrics{Loss: 5, Accuracy: 0.1, Spread: 1}, nil
}

func (*fakeProgram) Embed(context.Context, arrow.Record, backends.Mode) (backends.Embeddings, error) {
	return backends.Embeddings{}, backends.ErrUnsupported
}

func (p *fakeProgram) Close() error { return nil }

// colours is a source of n PNG images of 9x9 pixels.
type colours int

func (n colours) Len() int { return int(n) }

func (n colours) Read(_ context.Context, i int, s *pipeline.Sample) error {
	m := image.NewRGBA(image.Rect(0, 0, 9, 9))
	for j := range 81 {
		m.Set(j%9, j/9, color.RGBA{uint8(i * 37), uint8(j * 3), uint8(i * j), 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return err
	}
	s.Bytes, s.Label = b.Bytes(), int32(i%3)
	return nil
}

func testConfig() Config {
	m := DefaultModel()
	m.Width, m.ImageSize, m.Projection = 0.25, 8, 16
	return Config{
		Model:     m,
		Optimizer: Optimizer{Name: "sgd", LearningRate: 0.1, Momentum: 0.9, WeightDecay: 1e-4, WarmupEpochs: 1},
		Epochs:    3,
		Seed:      5,
	}
}

// testPipeline makes 5 batches of 4 images an epoch.
func testPipeline(t *testing.T, workers int) *pipeline.Pipeline {
	return newTestPipeline(t, workers, 3)
}

func testPipelineOf(t *testing.T, epochs int) *pipeline.Pipeline {
	return newTestPipeline(t, 2, epochs)
}

func newTestPipeline(t *testing.T, workers, epochs int) *pipeline.Pipeline {
	t.Helper()
	p, err := pipeline.New(colours(21), pipeline.Options{Batch: 4, Epochs: epochs, Seed: 5, Workers: workers},
		stages.Decode{}, pipeline.Pair(stages.SimCLR(8, 0.5)...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
