//go:build linux

package gorgonia

import (
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/backendtest"
	"github.com/goclr/goclr/backends/gorgonia/internal/cuda"
	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
)

// TestCUDAWithoutGPU runs the suite through the code that a GPU takes, on libraries that stand for CUDA's: they compute on the host, in
// memory that faults on any access but their own.
func TestCUDAWithoutGPU(t *testing.T) {
	for _, c := range []struct {
		precision string
		tolerance float64
	}{{"fp32", 1e-5}} {
		t.Run(c.precision, func(t *testing.T) {
			t.Setenv(cuda.DirectoryVariable, stub.Open(t).Directory)
			backendtest.Run(t, func(t *testing.T) backends.Backend {
				b, err := backends.Open(t.Context(), "gorgonia", backends.Options{Device: "cuda:0", Precision: c.precision})
				if err != nil {
					t.Fatal(err)
				}
				return b
			}, backendtest.Options{Tolerance: c.tolerance})
		})
	}
}
