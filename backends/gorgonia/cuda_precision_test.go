//go:build linux

package gorgonia

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/backendtest"
	"github.com/goclr/goclr/backends/graph"
)

// TestCUDAInBFloat16 runs the suite with images of bfloat16.
func TestCUDAInBFloat16(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	runOnStandIn(t, "bf16", backendtest.Options{Tolerance: 1e-2, Round: mantissa(7)})
}

// TestCUDAAsksForThePrecision reads from the record of the libraries how they are told to multiply.
func TestCUDAAsksForThePrecision(t *testing.T) {
	for precision, want := range map[string]struct{ convolution, product string }{
		"fp32": {"type 0 format 1 math 3", "compute 68"},
		"tf32": {"type 0 format 1 math 0", "compute 77"},
		"bf16": {"type 9 format 1 math 1", "compute 77"},
	} {
		t.Run(precision, func(t *testing.T) {
			l := standIn(t)
			b := onStandIn(t, precision)
			stepTest(t, compileTest(t, b, smallStep()), smallBatch(t, 1))
			if got := b.Info().Precision; got != strings.TrimPrefix(precision, "fp32") {
				t.Errorf("the backend says its precision is %q", got)
			}
			seen := map[string]int{}
			for _, line := range l.Log() {
				name, how, _ := strings.Cut(line, " ")
				switch {
				case strings.HasPrefix(name, "cudnnConvolution"):
					seen[name]++
					if !strings.HasPrefix(how, want.convolution) {
						t.Errorf("%s, want %s", line, want.convolution)
					}
				case name == "cublasLtMatmul":
					seen[name]++
					if !strings.HasPrefix(how, want.product) {
						t.Errorf("%s, want %s", line, want.product)
					}
				}
			}
			if len(seen) != 4 {
				t.Errorf("the record has %v, want convolutions in three directions and products", seen)
			}
		})
	}
}

// TestCUDATrainsInBFloat16 takes some steps in bfloat16 beside those in float32.
func TestCUDATrainsInBFloat16(t *testing.T) {
	standIn(t)
	s := smallStep()
	whole, half := compileTest(t, onStandIn(t, "fp32"), s), compileTest(t, onStandIn(t, "bf16"), s)
	before := saveTest(t, whole)
	dz := make([]float32, s.Project.Size())
	for i := range dz {
		dz[i] = float32(math.Sin(float64(i)))
	}
	var gradients [2]backends.Weights
	for i, p := range []backends.Program{whole, half} {
		if err := p.Backward(t.Context(), smallBatch(t, 1), dz); err != nil {
			t.Fatal(err)
		}
		var err error
		if gradients[i], err = p.Gradients(); err != nil {
			t.Fatal(err)
		}
	}
	if c := cosine(gradients[0], gradients[1]); c < 0.98 {
		t.Errorf("the gradients of both precisions have a cosine of %v", c)
	}
	for k := range uint64(6) {
		want, got := stepTest(t, whole, smallBatch(t, k%2)), stepTest(t, half, smallBatch(t, k%2))
		if off := math.Abs(float64(got.Loss/want.Loss - 1)); off > 0.05 || math.IsNaN(off) {
			t.Errorf("step %d: loss %v in bfloat16, %v in float32", k, got.Loss, want.Loss)
		}
	}
	var moved [2]backends.Weights
	for i, p := range []backends.Program{whole, half} {
		moved[i] = difference(saveTest(t, p), before, s)
	}
	if c := cosine(moved[0], moved[1]); c < 0.9 {
		t.Errorf("the weights of both precisions moved by a cosine of %v", c)
	}
}

// TestCUDAKeepsWeightsInFloat32 moves weights by less than bfloat16 can tell.
func TestCUDAKeepsWeightsInFloat32(t *testing.T) {
	standIn(t)
	s := smallStep()
	p := compileTest(t, onStandIn(t, "bf16"), s)
	before := saveTest(t, p)
	const steps, rate = 3, 2e-5
	for range steps {
		if _, err := p.Step(t.Context(), smallBatch(t, 1), rate); err != nil {
			t.Fatal(err)
		}
	}
	after := saveTest(t, p)
	for _, g := range s.Gradients {
		was, _ := before.Find(g.Param.Name)
		is, _ := after.Find(g.Param.Name)
		moved, far := 0, 0
		for i, v := range was.Data {
			if is.Data[i] != v {
				moved++
			}
			if math.Abs(float64(is.Data[i]-v)) > 1.0/512*math.Abs(float64(v)) {
				far++
			}
		}
		if moved < len(was.Data)/2 || far > len(was.Data)/20 {
			t.Errorf("%s: %d of %d weights moved, %d of them by what bfloat16 can tell", g.Param.Name, moved, len(was.Data), far)
		}
	}
}

// difference is what was added to the parameters of a step.
func difference(after, before backends.Weights, s *graph.Step) backends.Weights {
	var d backends.Weights
	for _, g := range s.Gradients {
		is, _ := after.Find(g.Param.Name)
		was, _ := before.Find(g.Param.Name)
		data := slices.Clone(is.Data)
		for i, v := range was.Data {
			data[i] -= v
		}
		d = append(d, backends.Tensor{Name: is.Name, Shape: is.Shape, Data: data})
	}
	return d
}

// cosine is that of the angle between all numbers of two sets of tensors.
func cosine(a, b backends.Weights) float64 {
	var ab, aa, bb float64
	for i := range a {
		for j, v := range a[i].Data {
			x, y := float64(v), float64(b[i].Data[j])
			ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
		}
	}
	return ab / math.Sqrt(aa*bb)
}
