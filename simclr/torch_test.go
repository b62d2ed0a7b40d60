package simclr

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/ipc"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// TestTorchHasTheSameFeatures loads a run's weights into torchvision's model and compares the features of both. It needs
// GOCLR_PYTHON, an interpreter with the packages of benchmarks/peers/requirements.txt.
func TestTorchHasTheSameFeatures(t *testing.T) {
	python := findTorch(t)
	b := openNamed(t, "onnx", backends.Options{})
	for _, c := range []struct {
		encoder   string
		size      int
		normalize bool
	}{
		{"resnet18", 32, false},
		{"resnet18", 64, true},
		{"resnet18", 224, true},
		{"resnet50", 65, false},
		{"resnet101", 32, false},
	} {
		t.Run(fmt.Sprintf("%s-%d", c.encoder, c.size), func(t *testing.T) {
			config := Config{
				Model:     DefaultModel(),
				Optimizer: Optimizer{Name: "sgd", LearningRate: 0.1, Momentum: 0.9},
				Epochs:    1,
				Seed:      3,
			}
			config.Model.Encoder, config.Model.ImageSize = c.encoder, c.size
			if c.normalize {
				config.Model.Mean, config.Model.Std = [3]float64{0.49, 0.48, 0.4}, [3]float64{0.25, 0.24, 0.26}
			}
			src, err := datasets.NewSynthetic(datasets.Synthetic{N: 12, Size: max(48, c.size)})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			run := filepath.Join(dir, "run")
			trainBriefly(t, b, run, config, src)
			views, features := filepath.Join(dir, "views.arrow"), filepath.Join(dir, "features.arrow")
			writeViews(t, views, src, c.size)
			writeFeatures(t, b, features, run, src)
			runPython(t, python, "torch_features.py", run, views, features)
		})
	}
}

// findTorch returns the interpreter that GOCLR_PYTHON names, and skips the test where it names none.
func findTorch(t *testing.T) string {
	t.Helper()
	python := os.Getenv("GOCLR_PYTHON")
	if python == "" {
		t.Skip("GOCLR_PYTHON names no interpreter with torch; `sh benchmarks/peers/python.sh` makes one and prints its path")
	}
	return python
}

// runPython runs a script of testdata, which fails where what it compares differs.
func runPython(t *testing.T, python, script string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), python, append([]string{filepath.Join("testdata", script)}, args...)...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", c, err, out)
	}
	if len(out) > 0 {
		t.Log(strings.TrimSpace(string(out)))
	}
}

// trainBriefly makes a run whose running statistics are those of a few steps, and gives its last checkpoint gammas and
// betas of which none is 0 or 1, so that no part of the network is without effect on the features.
func trainBriefly(t *testing.T, b backends.Backend, run string, config Config, src pipeline.Source) {
	t.Helper()
	p, err := pipeline.New(src, pipeline.Options{Batch: 4, Epochs: 1, Seed: 3},
		stages.Decode{}, pipeline.Pair(stages.SimCLR(config.Model.ImageSize, 0.5)...))
	if err != nil {
		t.Fatal(err)
	}
	if err := (Run{Dir: run, Config: config}).Train(t.Context(), b, p); err != nil {
		t.Fatal(err)
	}
	c, err := ReadCheckpoint(run)
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.all()
	if err != nil {
		t.Fatal(err)
	}
	for _, tensor := range w {
		name := tensor.Name
		if strings.HasPrefix(name, momentumPrefix) || len(tensor.Shape) != 1 || strings.Contains(name, ".running_") {
			continue
		}
		r := pipeline.Key{Seed: 3, Stage: name}.Rand()
		for i := range tensor.Data {
			tensor.Data[i] += 0.2 + 0.2*r.Float32()
		}
	}
	c.Step++
	if err := c.save(run, w); err != nil {
		t.Fatal(err)
	}
}

// writeViews writes the images as the encoder sees them, in the order of the source.
func writeViews(t *testing.T, path string, src pipeline.Source, size int) {
	t.Helper()
	p, err := pipeline.New(src, pipeline.Options{Batch: src.Len(), Epochs: 1, Ordered: true, MaxBad: -1},
		append([]pipeline.Stage{stages.Decode{}}, stages.Eval(size)...)...)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := ipc.NewFileWriter(f, ipc.WithSchema(p.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	for batch, err := range p.Batches(t.Context(), 0) {
		if err == nil {
			err = w.Write(batch)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// writeFeatures writes what evaluate embed would.
func writeFeatures(t *testing.T, b backends.Backend, path, run string, src pipeline.Source) {
	t.Helper()
	e, err := OpenEncoder(t.Context(), b, run)
	if err != nil {
		t.Fatal(err)
	}
	features, err := e.Features(t.Context(), src, FeatureOptions{})
	if err := errors.Join(err, e.Close()); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(features.Write(f), f.Close()); err != nil {
		t.Fatal(err)
	}
}
