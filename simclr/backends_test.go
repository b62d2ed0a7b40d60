package simclr

import (
	"math"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// stepsError is how far, relative to it, the loss of one backend may be from that of another on the way.
const stepsError = 1e-3

// TestTenStepsAgree takes ten steps from the same weights on the same batches, early in the warm-up of pretrain's defaults. At
// much higher rates the loss rises at first, and runs part fast for any reason: on goclr's operators for ONNX and on the standard
// ones too.
func TestTenStepsAgree(t *testing.T) {
	for _, o := range []Optimizer{
		{Name: "sgd", LearningRate: 0.2 * 16 / 128, Momentum: 0.9, WeightDecay: 1e-4, WarmupEpochs: 10},
		{Name: "lars", LearningRate: 0.3 * 16 / 256, Momentum: 0.9, WeightDecay: 1e-6, WarmupEpochs: 10},
		{Name: "adam", LearningRate: 1e-3 * 16 / 512, Momentum: 0.9, WeightDecay: 1e-6, WarmupEpochs: 10},
	} {
		t.Run(o.Name, func(t *testing.T) { runsAgree(t, o, 0) })
	}
}

// TestTenChunkedStepsAgree does the same where a step is taken in parts.
func TestTenChunkedStepsAgree(t *testing.T) {
	runsAgree(t, Optimizer{Name: "sgd", LearningRate: 0.2 * 16 / 128, Momentum: 0.9, WeightDecay: 1e-4, WarmupEpochs: 10}, 8)
}

// runsAgree compares the losses of two runs of ten steps, the one on the onnx backend and the other on gorgonia.
func runsAgree(t *testing.T, o Optimizer, chunk int) {
	src, err := datasets.NewSynthetic(datasets.Synthetic{N: 90})
	if err != nil {
		t.Fatal(err)
	}
	m := DefaultModel()
	m.Width, m.ImageSize = 0.25, 32
	r := Run{Config: Config{Model: m, Optimizer: o, Epochs: 100, Seed: 5, Chunk: chunk}, MaxSteps: 10}
	run := func(name string) []float32 {
		b := openNamed(t, name, backends.Options{})
		p, err := pipeline.New(src, pipeline.Options{Batch: 16, Epochs: r.Epochs, Seed: r.Seed},
			stages.Decode{}, pipeline.Pair(stages.SimCLR(m.ImageSize, 0.5)...))
		if err != nil {
			t.Fatal(err)
		}
		r.Dir = t.TempDir()
		if err := r.Train(t.Context(), b, p); err != nil {
			t.Fatal(err)
		}
		return losses(t, r)
	}
	want, got := run("onnx"), run("gorgonia")
	if len(want) != 10 || len(got) != 10 {
		t.Fatalf("%d steps on onnx and %d on gorgonia, want 10", len(want), len(got))
	}
	worst := 0.0
	for i := range want {
		off := math.Abs(float64(got[i]-want[i])) / float64(want[i])
		worst = max(worst, off)
		if !(off <= stepsError) {
			t.Errorf("step %d: the loss is %v, want %v", i+1, got[i], want[i])
		}
	}
	t.Logf("losses from %v to %v are off by %.1e at most", want[0], want[9], worst)
}
