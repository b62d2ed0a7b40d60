package cuda

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/gorgonia/internal/devicetest"
	"github.com/goclr/goclr/backends/graph"
)

// plainTolerance is the largest error, relative to the largest element of a result.
const plainTolerance = 1e-5

func plainCases() []devicetest.Case {
	return slices.Concat(
		devicetest.Normalizations([]int{8, 5}, []int{1, 3}, []int{64, 300}, []int{133, 33}, []int{4200, 2}), devicetest.Plain(100))
}

// emulatedPlain are the kernels on the host.
func emulatedPlain(t *testing.T) map[graph.Op]device.Kernel {
	t.Helper()
	l := emulated(t, false)
	return plainKernels(l, tiled{l})
}

// TestPlainAgreesWithReference computes all cases twice, which must give the same bits, also where the result takes an operand's memory.
func TestPlainAgreesWithReference(t *testing.T) {
	kernels := emulatedPlain(t)
	for i, c := range plainCases() {
		t.Run(fmt.Sprintf("%s/%s", c.Op, c.Name), func(t *testing.T) {
			p := devicetest.NewProblem(t, uint64(i))
			for _, n := range c.Build(p) {
				if n.Op != c.Op {
					t.Fatalf("this is a case of %s", n.Op)
				}
				k := kernels[c.Op]
				got := p.Compute(k, p.Call(n))
				want, part := p.Want(n), n.Size()
				if n.Op == graph.OpMoments || n.Op == graph.OpNormalizeGradParams {
					part = n.Shape[1] // a large mean must not hide a wrong variance
				}
				for from := 0; from < len(want); from += part {
					devicetest.Near(t, n.String(), got[from:from+part], want[from:from+part], p.Slack*plainTolerance)
				}
				again := p.Call(n)
				if k.Overwrites > 0 {
					again.Out.Data = again.In[k.Overwrites-1].Data
				}
				if !slices.EqualFunc(p.Compute(k, again), got, devicetest.SameBits) {
					t.Errorf("%v: other bits the second time, where the result takes the memory of operand %d", n, k.Overwrites-1)
				}
			}
		})
	}
}

// ofImages are the operations that have images alone.
var ofImages = []graph.Op{
	graph.OpImage, graph.OpConv, graph.OpConvGradInput, graph.OpConvGradFilter,
	graph.OpMaxPool, graph.OpMaxPoolGrad, graph.OpAvgPool, graph.OpAvgPoolGrad,
}

// TestEveryOperationHasAPlainKernel reads the operations from the source of package graph, so that a new one cannot be forgotten.
func TestEveryOperationHasAPlainKernel(t *testing.T) {
	tested := map[graph.Op]bool{}
	for _, c := range plainCases() {
		tested[c.Op] = true
	}
	kernels := plainKernels(nil, nil)
	for _, op := range devicetest.Operations(t, "../../../graph/op.go") {
		if slices.Contains(ofImages, op) {
			continue
		}
		if kernels[op].Run == nil {
			t.Errorf("operation %s has no kernel: add one to plainKernels", op)
		}
		if !tested[op] {
			t.Errorf("operation %s has no case: add one to devicetest", op)
		}
	}
	if kernels[device.OpCopy].Run == nil {
		t.Error("Copy has no kernel")
	}
}

func TestPlainCopy(t *testing.T) {
	p := devicetest.NewProblem(t, 1)
	x := p.Operand(3, 20000)
	c := &device.Call{In: []device.Tensor{p.Tensor(x)}, Out: p.Empty(x.Shape)}
	devicetest.Near(t, "copy", p.Compute(emulatedPlain(t)[device.OpCopy], c), p.Values[x], 0)
}

// TestPlainNormalizeGradThroughReLU gives the gradients of a Normalize the result of the ReLU behind it, and the second the first.
func TestPlainNormalizeGradThroughReLU(t *testing.T) {
	const eps = 1e-5
	kernels := emulatedPlain(t)
	for _, shape := range [][]int{{8, 5}, {64, 300}, {150, 40}} {
		p := devicetest.NewProblem(t, 3)
		x, gamma, dy := p.Shifted(1, 2, shape...), p.Operand(shape[1]), p.Operand(shape...)
		m := p.Computed(p.Moments(x))
		y := p.Computed(p.Normalize(x, m, gamma, p.Operand(shape[1]), nil, true, eps))
		masked := p.Computed(p.ReLUGrad(y, dy))
		params := p.NormalizeGradParams(x, m, masked, eps)
		input := p.NormalizeGradInput(x, m, gamma, masked, eps)

		c := p.Call(params)
		c.In = []device.Tensor{p.Tensor(x), p.Tensor(m), p.Tensor(dy), p.Tensor(y)}
		devicetest.Near(t, params.String(), p.Compute(kernels[graph.OpNormalizeGradParams], c), p.Want(params), plainTolerance)
		sums := c.Out

		for _, given := range []device.Tensor{sums, {}} {
			c = p.Call(input)
			c.In = []device.Tensor{p.Tensor(x), p.Tensor(m), p.Tensor(gamma), p.Tensor(dy), given, p.Tensor(y)}
			devicetest.Near(t, input.String(), p.Compute(kernels[graph.OpNormalizeGradInput], c), p.Want(input), plainTolerance)
		}
		c.In = []device.Tensor{p.Tensor(x), p.Tensor(m), p.Tensor(gamma), p.Tensor(masked), sums, {}}
		devicetest.Near(t, input.String(), p.Compute(kernels[graph.OpNormalizeGradInput], c), p.Want(input), plainTolerance)
	}
}

// TestPlainTakesFewerRows cuts the batch of a call: its rows must be the same bits as those of the whole batch.
func TestPlainTakesFewerRows(t *testing.T) {
	const batch, few = 90, 4
	kernels := emulatedPlain(t)
	p := devicetest.NewProblem(t, 5)
	x := p.Operand(batch, 70)
	moments := p.Computed(p.Moments(x))
	for _, n := range []*graph.Node{
		p.Normalize(x, moments, p.Operand(70), p.Operand(70), p.Operand(batch, 70), true, 1e-5),
		p.ReLU(x), p.Add(x, p.Operand(batch, 70)),
		p.MatMul(x, p.Operand(70, 130), false, false),
		p.MatMul(x, p.Operand(130, 70), false, true),
		p.AddBias(x, p.Operand(70)), p.L2Normalize(x),
	} {
		c := p.Call(n)
		whole := p.Compute(kernels[n.Op], c)
		for i := range c.In {
			if shape := c.In[i].Shape; len(shape) > 1 && shape[0] == batch {
				c.In[i].Shape = append([]int{few}, shape[1:]...)
			}
		}
		c.Out = p.Empty(append([]int{few}, n.Shape[1:]...))
		if part := p.Compute(kernels[n.Op], c); !slices.EqualFunc(part, whole[:len(part)], devicetest.SameBits) {
			t.Errorf("%v: %d of %d rows are not those of the whole batch", n, few, batch)
		}
	}
}

// TestPlainShowsUnknownLabels wants NaN, since no kernel can return an error: the backend checks labels before it uploads them.
func TestPlainShowsUnknownLabels(t *testing.T) {
	kernels := emulatedPlain(t)
	p := devicetest.NewProblem(t, 6)
	logits, labels := p.Operand(4, 3), p.Labels(4, 3)
	for _, wrong := range []float64{-1, 3} {
		p.Values[labels] = []float64{0, 1, wrong, 2}
		for _, n := range []*graph.Node{p.CrossEntropy(logits, labels), p.CrossEntropyGrad(logits, labels), p.LabelAccuracy(logits, labels)} {
			got := p.Compute(kernels[n.Op], p.Call(n))
			if row := got[len(got)/2]; !math.IsNaN(float64(row)) {
				t.Errorf("%v of label %g of 3 classes is %v, want NaN", n, wrong, row)
			}
		}
	}
}

// TestPlainReLUKeepsNaN wants a diverged network to show.
func TestPlainReLUKeepsNaN(t *testing.T) {
	kernels := emulatedPlain(t)
	p := devicetest.NewProblem(t, 7)
	x := p.Drawn(func(i int) float64 { return []float64{-1, math.NaN(), 2}[i] }, 3)
	got := p.Compute(kernels[graph.OpReLU], p.Call(p.ReLU(x)))
	if got[0] != 0 || !math.IsNaN(float64(got[1])) || got[2] != 2 {
		t.Errorf("ReLU of -1, NaN, 2 is %v", got)
	}
}
