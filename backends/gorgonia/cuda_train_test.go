//go:build linux

package gorgonia

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

// unstaged hides that programs are Stagers.
type unstaged struct{ backends.Backend }

func (b unstaged) Compile(ctx context.Context, s *graph.Step) (backends.Program, error) {
	p, err := b.Backend.Compile(ctx, s)
	return struct{ backends.Program }{p}, err
}

// TestCUDATrainsOnStagedBatches wants the weights of a training that stages none.
func TestCUDATrainsOnStagedBatches(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	l := standIn(t)
	b := onStandIn(t, "fp32")
	m := simclr.DefaultModel()
	m.Width, m.ImageSize, m.Projection = 0.25, 8, 16
	const size, steps = 8, 2
	train := func(b backends.Backend) []byte {
		t.Helper()
		source, err := datasets.NewSynthetic(datasets.Synthetic{N: 12, Size: size})
		if err != nil {
			t.Fatal(err)
		}
		p, err := pipeline.New(source, pipeline.Options{Batch: 4, Epochs: 2, Workers: 2}, stages.Decode{}, pipeline.Pair(stages.SimCLR(size, 0.5)...))
		if err != nil {
			t.Fatal(err)
		}
		r := simclr.Run{Dir: t.TempDir(), MaxSteps: steps, Config: simclr.Config{
			Model: m, Optimizer: simclr.Optimizer{Name: "sgd", LearningRate: 0.1, Momentum: 0.9}, Epochs: 2, Seed: 1,
		}}
		if err := r.Train(t.Context(), b, p); err != nil {
			t.Fatal(err)
		}
		weights, err := os.ReadFile(filepath.Join(r.Dir, "weights.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		return weights
	}
	want := train(unstaged{b})
	if n := count(l, "cuMemcpyDtoDAsync"); n != 0 {
		t.Errorf("%d copies on the device where nothing is staged", n)
	}
	l.Set("early", 1)
	if !bytes.Equal(train(b), want) {
		t.Error("the weights differ from those of a training that stages none")
	}
	if n := count(l, "cuMemcpyDtoDAsync"); n != steps {
		t.Errorf("%d copies on the device for %d steps", n, steps)
	}
}
