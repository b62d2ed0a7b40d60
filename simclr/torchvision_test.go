package simclr

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// TestTorchvisionWeights begins runs with weights of torchvision's networks, at its own image size, and compares the features
// that they have then. It needs GOCLR_PYTHON as TestTorchHasTheSameFeatures does.
func TestTorchvisionWeights(t *testing.T) {
	python := findTorch(t)
	b := openNamed(t, "onnx", backends.Options{})
	for _, encoder := range []string{"resnet18", "resnet50"} {
		t.Run(encoder, func(t *testing.T) {
			dir := t.TempDir()
			weights, run := filepath.Join(dir, "torchvision.safetensors"), filepath.Join(dir, "run")
			views, features := filepath.Join(dir, "views.arrow"), filepath.Join(dir, "features.arrow")
			script := func(args ...string) {
				t.Helper()
				runPython(t, python, "torchvision_weights.py", args...)
			}
			script("make", encoder, weights)
			m := DefaultModel()
			m.Encoder, m.ImageSize = encoder, 224
			m.Mean, m.Std = [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225}
			first, err := ReadPretrained(weights, m)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(first.Unused, []string{"fc.bias", "fc.weight"}) {
				t.Errorf("unused are %v", first.Unused)
			}
			src, err := datasets.NewSynthetic(datasets.Synthetic{N: 8, Size: 256})
			if err != nil {
				t.Fatal(err)
			}
			beginRun(t, b, run, m, first, src)
			writeViews(t, views, src, m.ImageSize)
			writeFeatures(t, b, features, filepath.Join(run, checkpointsDir, "step-0"), src)
			script("compare", encoder, weights, views, features)
		})
	}
}

// beginRun takes one step of a run that begins with the given weights.
func beginRun(t *testing.T, b backends.Backend, run string, m Model, first *Pretrained, src pipeline.Source) {
	t.Helper()
	p, err := pipeline.New(src, pipeline.Options{Batch: 2, Epochs: 1, Seed: 3},
		stages.Decode{}, pipeline.Pair(stages.SimCLR(m.ImageSize, 0.5)...))
	if err != nil {
		t.Fatal(err)
	}
	r := Run{
		Dir: run, Init: first.Weights, MaxSteps: 1,
		Config: Config{
			Model: m, Optimizer: Optimizer{Name: "sgd", LearningRate: 0.01}, Epochs: 1, InitSHA256: first.SHA256,
		},
	}
	if err := r.Train(t.Context(), b, p); err != nil {
		t.Fatal(err)
	}
}
