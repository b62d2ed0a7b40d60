//go:build linux

package gorgonia

import (
	"path"
	"slices"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/backendtest"
	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
)

// standIn makes the backend find libraries that stand for CUDA's. What they compile is kept apart from the machine code for GPUs.
func standIn(t *testing.T) *stub.Libraries {
	t.Helper()
	l := stub.Open(t)
	l.Use(t)
	t.Cleanup(func() {
		if n := l.Held(); n != 0 {
			t.Errorf("%d things were not given back", n)
		}
		if n := l.Allocated(); n != 0 {
			t.Errorf("%d bytes of the device's memory were not given back", n)
		}
	})
	return l
}

// onStandIn opens the backend on them.
func onStandIn(t *testing.T, precision string) backends.Backend {
	t.Helper()
	return openTest(t, backends.Options{Device: "cuda:0", Precision: precision, Threads: 1})
}

// TestCUDAWithoutGPU runs the suite through the code that a GPU takes, on libraries that stand for CUDA's: they compute on the host, in
// memory that faults on any access but their own.
func TestCUDAWithoutGPU(t *testing.T) { runOnStandIn(t, "fp32", backendtest.Options{}) }

// longGroups of the suite are skipped by go test -short.
var longGroups = []string{"Overfit", "LabelledTraining", "Chunks"}

func runOnStandIn(t *testing.T, precision string, o backendtest.Options) {
	standIn(t)
	backendtest.Run(t, func(t *testing.T) backends.Backend {
		if testing.Short() && slices.Contains(longGroups, path.Base(t.Name())) {
			t.Skip("takes seconds")
		}
		b, err := backends.Open(t.Context(), "gorgonia", backends.Options{Device: "cuda:0", Precision: precision})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, o)
}
