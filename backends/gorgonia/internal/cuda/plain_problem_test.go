package cuda

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/reference"
)

// A plainProblem is a graph with the values of some of its nodes, float32 numbers in float64.
type plainProblem struct {
	graph.Graph
	t      *testing.T
	random *rand.Rand
	values map[*graph.Node][]float64
	slack  float64 // multiplies the tolerance, where a case is ill-conditioned in float32
}

func newPlainProblem(t *testing.T, seed uint64) *plainProblem {
	return &plainProblem{t: t, random: rand.New(rand.NewPCG(seed, 7)), values: map[*graph.Node][]float64{}, slack: 1}
}

// operand is a tensor of normally distributed numbers.
func (p *plainProblem) operand(shape ...int) *graph.Node { return p.shifted(0, 1, shape...) }

// shifted is an operand of the given mean and standard deviation.
func (p *plainProblem) shifted(mean, deviation float64, shape ...int) *graph.Node {
	return p.drawn(func(int) float64 { return mean + deviation*p.random.NormFloat64() }, shape...)
}

// drawn is an operand whose element i is draw(i).
func (p *plainProblem) drawn(draw func(i int) float64, shape ...int) *graph.Node {
	n := p.State("operand", shape...)
	values := make([]float64, n.Size())
	for i := range values {
		values[i] = float64(float32(draw(i)))
	}
	p.values[n] = values
	return n
}

// computed gives a node its value, rounded to float32, so that it can be an operand.
func (p *plainProblem) computed(n *graph.Node) *graph.Node {
	values := p.want(n)
	for i, v := range values {
		values[i] = float64(float32(v))
	}
	p.values[n] = values
	return n
}

// unit is an operand [rows, features] of unit vectors.
func (p *plainProblem) unit(rows, features int) *graph.Node {
	return p.computed(p.L2Normalize(p.operand(rows, features)))
}

// classes are labels of rows.
func (p *plainProblem) classes(rows, classes int) *graph.Node {
	n := p.Labels(rows, classes)
	for range rows {
		p.values[n] = append(p.values[n], float64(p.random.IntN(classes)))
	}
	return n
}

// want is the value of a node as the reference has it.
func (p *plainProblem) want(n *graph.Node) []float64 {
	p.t.Helper()
	results, err := reference.Eval(p.t.Context(), &p.Graph, p.values, n)
	if err != nil {
		p.t.Fatal(err)
	}
	return results[0]
}

// call makes a call of a node's operation; every operand must have a value. The result holds NaN.
func (p *plainProblem) call(n *graph.Node) *device.Call {
	p.t.Helper()
	c := &device.Call{Attr: n.Attr, Out: p.empty(n.Shape)}
	for _, in := range n.In {
		c.In = append(c.In, p.tensor(in))
	}
	return c
}

// tensor has the value of a node.
func (p *plainProblem) tensor(n *graph.Node) device.Tensor {
	p.t.Helper()
	if n == nil {
		return device.Tensor{}
	}
	values, ok := p.values[n]
	if !ok {
		p.t.Fatalf("%v has no value", n)
	}
	x := p.empty(n.Shape)
	if n.Op == graph.OpLabels {
		x.Layout = device.Classes
		for i, v := range values {
			unsafe.Slice((*int32)(x.Data), len(values))[i] = int32(v)
		}
		return x
	}
	for i, v := range values {
		plainFloats(x)[i] = float32(v)
	}
	return x
}

// empty is a tensor full of NaN.
func (p *plainProblem) empty(shape []int) device.Tensor {
	return device.Tensor{Data: p.memory(graph.Size(shape) * plainFloat), Shape: shape}
}

// memory is full of NaN. The test fails if a kernel writes right behind it, or before it.
func (p *plainProblem) memory(bytes int) unsafe.Pointer {
	const fence = 256
	whole := make([]byte, fence+bytes+plainLine+fence)
	for i := range whole {
		whole[i] = 0xff
	}
	start := fence + int(-uintptr(unsafe.Pointer(&whole[fence]))&(plainLine-1))
	p.t.Cleanup(func() {
		written := func(b byte) bool { return b != 0xff }
		if slices.ContainsFunc(whole[:start], written) || slices.ContainsFunc(whole[start+bytes:], written) {
			p.t.Errorf("a kernel has written beyond memory of %d bytes", bytes)
		}
	})
	return unsafe.Pointer(&whole[start])
}

func plainFloats(x device.Tensor) []float32 {
	return unsafe.Slice((*float32)(x.Data), graph.Size(x.Shape))
}

// compute runs a kernel with scratch memory full of NaN and returns a copy of the result.
func (p *plainProblem) compute(k device.Kernel, c *device.Call) []float32 {
	p.t.Helper()
	c.Scratch = nil
	if k.Scratch != nil {
		if bytes := k.Scratch(c); bytes > 0 {
			c.Scratch = p.memory(bytes)
		}
	}
	if err := k.Run(c); err != nil {
		p.t.Fatal(err)
	}
	return slices.Clone(plainFloats(c.Out))
}

// plainNear checks that got is want, each element to within tolerance times the largest of want (or 1, where want is all zero), and to
// within the smallest number that float32 has with all its digits.
func plainNear(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	largest, worst, at := 0.0, 0.0, 0
	for i, v := range want {
		largest = max(largest, math.Abs(v))
		d := math.Abs(float64(got[i]) - v)
		if math.IsNaN(d) {
			d = math.Inf(1)
		}
		if d > worst {
			worst, at = d, i
		}
	}
	if largest == 0 {
		largest = 1
	}
	if worst > max(tolerance*largest, 0x1p-126) {
		t.Errorf("%s: element %d is %v, want %v: off by %.1e of the largest element, allowed are %.1e",
			what, at, got[at], want[at], worst/largest, tolerance)
	}
}

func samePlainBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
