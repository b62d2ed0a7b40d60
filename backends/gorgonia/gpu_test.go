package gorgonia

import (
	"math"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/backendtest"
)

// TestCUDA runs the suite on this machine's first GPU, by the libraries of CUDA that it has, and says what is missing where it cannot.
func TestCUDA(t *testing.T) {
	open := func(t *testing.T, precision string) (backends.Backend, error) {
		return backends.Open(t.Context(), "gorgonia", backends.Options{
			Device: "cuda:0", Precision: precision, Warn: func(message string) { t.Log("warning:", message) },
		})
	}
	b, err := open(t, "fp32")
	if err != nil {
		t.Skip(err)
	}
	closeTest(t, b)
	if strings.Contains(b.Info().Library, "NVIDIA Stub") {
		t.Skip("other tests have loaded libraries that stand for CUDA's: run this one alone")
	}
	for _, c := range []struct {
		precision string
		options   backendtest.Options
	}{
		{"fp32", backendtest.Options{Tolerance: 1e-4}},
		{"tf32", backendtest.Options{Tolerance: 1e-3, Round: mantissa(10)}},
		{"bf16", backendtest.Options{Tolerance: 1e-2, Round: mantissa(7)}},
	} {
		t.Run(c.precision, func(t *testing.T) {
			backendtest.Run(t, func(t *testing.T) backends.Backend {
				b, err := open(t, c.precision)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}, c.options)
		})
	}
}

// mantissa rounds to numbers of so many bits behind the point, in binary, to even where two are as near.
func mantissa(bits int) func(float32) float32 {
	drop := 23 - bits
	return func(x float32) float32 {
		u := math.Float32bits(x)
		u += 1<<(drop-1) - 1 + u>>drop&1
		return math.Float32frombits(u >> drop << drop)
	}
}
