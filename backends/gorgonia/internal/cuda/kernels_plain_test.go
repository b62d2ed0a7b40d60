package cuda

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// plainTolerance is the largest error, relative to the largest element of a result.
const plainTolerance = 1e-5

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
		t.Run(fmt.Sprintf("%s/%s", c.op, c.name), func(t *testing.T) {
			p := newPlainProblem(t, uint64(i))
			for _, n := range c.build(p) {
				if n.Op != c.op {
					t.Fatalf("this is a case of %s", n.Op)
				}
				k := kernels[c.op]
				got := p.compute(k, p.call(n))
				want, part := p.want(n), n.Size()
				if n.Op == graph.OpMoments || n.Op == graph.OpNormalizeGradParams {
					part = n.Shape[1] // a large mean must not hide a wrong variance
				}
				for from := 0; from < len(want); from += part {
					plainNear(t, n.String(), got[from:from+part], want[from:from+part], p.slack*plainTolerance)
				}
				again := p.call(n)
				if k.Overwrites > 0 {
					again.Out.Data = again.In[k.Overwrites-1].Data
				}
				if !slices.EqualFunc(p.compute(k, again), got, samePlainBits) {
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
	file, err := parser.ParseFile(token.NewFileSet(), "../../../graph/op.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	tested := map[graph.Op]bool{}
	for _, c := range plainCases() {
		tested[c.op] = true
	}
	without := append([]graph.Op{graph.OpLabels, graph.OpParam, graph.OpState, graph.OpSlot, graph.OpRate}, ofImages...)
	known, kernels := 0, plainKernels(nil, nil)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, v := range spec.Values {
			name, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			known++
			op := graph.Op(name)
			if slices.Contains(without, op) {
				continue
			}
			if kernels[op].Run == nil {
				t.Errorf("operation %s has no kernel: add one to plainKernels", op)
			}
			if !tested[op] {
				t.Errorf("operation %s has no case: add one to plainCases", op)
			}
		}
		return true
	})
	if known < 30 {
		t.Errorf("found %d operations in op.go: is this test still reading the right file?", known)
	}
	if kernels[device.OpCopy].Run == nil {
		t.Error("Copy has no kernel")
	}
}

func TestPlainCopy(t *testing.T) {
	p := newPlainProblem(t, 1)
	x := p.operand(3, 20000)
	c := &device.Call{In: []device.Tensor{p.tensor(x)}, Out: p.empty(x.Shape)}
	plainNear(t, "copy", p.compute(emulatedPlain(t)[device.OpCopy], c), p.values[x], 0)
}

// TestPlainNormalizeGradThroughReLU gives the gradients of a Normalize the result of the ReLU behind it, and the second the first.
func TestPlainNormalizeGradThroughReLU(t *testing.T) {
	const eps = 1e-5
	kernels := emulatedPlain(t)
	for _, shape := range [][]int{{8, 5}, {64, 300}, {150, 40}} {
		p := newPlainProblem(t, 3)
		x, gamma, dy := p.shifted(1, 2, shape...), p.operand(shape[1]), p.operand(shape...)
		m := p.computed(p.Moments(x))
		y := p.computed(p.Normalize(x, m, gamma, p.operand(shape[1]), nil, true, eps))
		masked := p.computed(p.ReLUGrad(y, dy))
		params := p.NormalizeGradParams(x, m, masked, eps)
		input := p.NormalizeGradInput(x, m, gamma, masked, eps)

		c := p.call(params)
		c.In = []device.Tensor{p.tensor(x), p.tensor(m), p.tensor(dy), p.tensor(y)}
		plainNear(t, params.String(), p.compute(kernels[graph.OpNormalizeGradParams], c), p.want(params), plainTolerance)
		sums := c.Out

		for _, given := range []device.Tensor{sums, {}} {
			c = p.call(input)
			c.In = []device.Tensor{p.tensor(x), p.tensor(m), p.tensor(gamma), p.tensor(dy), given, p.tensor(y)}
			plainNear(t, input.String(), p.compute(kernels[graph.OpNormalizeGradInput], c), p.want(input), plainTolerance)
		}
		c.In = []device.Tensor{p.tensor(x), p.tensor(m), p.tensor(gamma), p.tensor(masked), sums, {}}
		plainNear(t, input.String(), p.compute(kernels[graph.OpNormalizeGradInput], c), p.want(input), plainTolerance)
	}
}

// TestPlainTakesFewerRows cuts the batch of a call: its rows must be the same bits as those of the whole batch.
func TestPlainTakesFewerRows(t *testing.T) {
	const batch, few = 90, 4
	kernels := emulatedPlain(t)
	p := newPlainProblem(t, 5)
	x := p.operand(batch, 70)
	moments := p.computed(p.Moments(x))
	for _, n := range []*graph.Node{
		p.Normalize(x, moments, p.operand(70), p.operand(70), p.operand(batch, 70), true, 1e-5),
		p.ReLU(x), p.Add(x, p.operand(batch, 70)),
		p.MatMul(x, p.operand(70, 130), false, false),
		p.MatMul(x, p.operand(130, 70), false, true),
		p.AddBias(x, p.operand(70)), p.L2Normalize(x),
	} {
		c := p.call(n)
		whole := p.compute(kernels[n.Op], c)
		for i := range c.In {
			if shape := c.In[i].Shape; len(shape) > 1 && shape[0] == batch {
				c.In[i].Shape = append([]int{few}, shape[1:]...)
			}
		}
		c.Out = p.empty(append([]int{few}, n.Shape[1:]...))
		if part := p.compute(kernels[n.Op], c); !slices.EqualFunc(part, whole[:len(part)], samePlainBits) {
			t.Errorf("%v: %d of %d rows are not those of the whole batch", n, few, batch)
		}
	}
}

// TestPlainShowsUnknownLabels wants NaN, since no kernel can return an error: the backend checks labels before it uploads them.
func TestPlainShowsUnknownLabels(t *testing.T) {
	kernels := emulatedPlain(t)
	p := newPlainProblem(t, 6)
	logits, labels := p.operand(4, 3), p.Labels(4, 3)
	for _, wrong := range []float64{-1, 3} {
		p.values[labels] = []float64{0, 1, wrong, 2}
		for _, n := range []*graph.Node{p.CrossEntropy(logits, labels), p.CrossEntropyGrad(logits, labels), p.LabelAccuracy(logits, labels)} {
			got := p.compute(kernels[n.Op], p.call(n))
			if row := got[len(got)/2]; !math.IsNaN(float64(row)) {
				t.Errorf("%v of label %g of 3 classes is %v, want NaN", n, wrong, row)
			}
		}
	}
}

// TestPlainReLUKeepsNaN wants a diverged network to show.
func TestPlainReLUKeepsNaN(t *testing.T) {
	kernels := emulatedPlain(t)
	p := newPlainProblem(t, 7)
	x := p.drawn(func(i int) float64 { return []float64{-1, math.NaN(), 2}[i] }, 3)
	got := p.compute(kernels[graph.OpReLU], p.call(p.ReLU(x)))
	if got[0] != 0 || !math.IsNaN(float64(got[1])) || got[2] != 2 {
		t.Errorf("ReLU of -1, NaN, 2 is %v", got)
	}
}
