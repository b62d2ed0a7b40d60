// Package devicetest helps to test the kernels of a device whose memory the host can read, against package reference: problems, which
// are graphs with values in memory that shows what is written beside it, and the cases that every device computes.
package devicetest

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

const (
	floatBytes = 4
	line       = 64 // what memory is aligned to, in bytes
)

// A Problem is a graph with the values of some of its nodes, float32 numbers in float64.
type Problem struct {
	graph.Graph
	Values map[*graph.Node][]float64
	Slack  float64 // multiplies the tolerance, where a case is ill-conditioned in float32
	t      *testing.T
	random *rand.Rand
}

// NewProblem returns an empty graph. Its operands are random numbers of the seed.
func NewProblem(t *testing.T, seed uint64) *Problem {
	return &Problem{t: t, random: rand.New(rand.NewPCG(seed, 7)), Values: map[*graph.Node][]float64{}, Slack: 1}
}

// Operand is a tensor of normally distributed numbers.
func (p *Problem) Operand(shape ...int) *graph.Node { return p.Shifted(0, 1, shape...) }

// Shifted is an operand of the given mean and standard deviation.
func (p *Problem) Shifted(mean, deviation float64, shape ...int) *graph.Node {
	return p.Drawn(func(int) float64 { return mean + deviation*p.random.NormFloat64() }, shape...)
}

// Drawn is an operand whose element i is draw(i).
func (p *Problem) Drawn(draw func(i int) float64, shape ...int) *graph.Node {
	n := p.State("operand", shape...)
	values := make([]float64, n.Size())
	for i := range values {
		values[i] = float64(float32(draw(i)))
	}
	p.Values[n] = values
	return n
}

// Computed gives a node its value, rounded to float32, so that it can be an operand.
func (p *Problem) Computed(n *graph.Node) *graph.Node {
	values := p.Want(n)
	for i, v := range values {
		values[i] = float64(float32(v))
	}
	p.Values[n] = values
	return n
}

// Unit is an operand [rows, features] of unit vectors.
func (p *Problem) Unit(rows, features int) *graph.Node {
	return p.Computed(p.L2Normalize(p.Operand(rows, features)))
}

// Classes are labels of rows.
func (p *Problem) Classes(rows, classes int) *graph.Node {
	n := p.Labels(rows, classes)
	for range rows {
		p.Values[n] = append(p.Values[n], float64(p.random.IntN(classes)))
	}
	return n
}

// Want is the value of a node as the reference has it.
func (p *Problem) Want(n *graph.Node) []float64 {
	p.t.Helper()
	results, err := reference.Eval(p.t.Context(), &p.Graph, p.Values, n)
	if err != nil {
		p.t.Fatal(err)
	}
	return results[0]
}

// Call makes a call of a node's operation; every operand must have a value. The result holds NaN.
func (p *Problem) Call(n *graph.Node) *device.Call {
	p.t.Helper()
	c := &device.Call{Attr: n.Attr, Out: p.Empty(n.Shape)}
	for _, in := range n.In {
		c.In = append(c.In, p.Tensor(in))
	}
	return c
}

// Tensor has the value of a node.
func (p *Problem) Tensor(n *graph.Node) device.Tensor {
	p.t.Helper()
	if n == nil {
		return device.Tensor{}
	}
	values, ok := p.Values[n]
	if !ok {
		p.t.Fatalf("%v has no value", n)
	}
	x := p.Empty(n.Shape)
	if n.Op == graph.OpLabels {
		x.Layout = device.Classes
		for i, v := range values {
			unsafe.Slice((*int32)(x.Data), len(values))[i] = int32(v)
		}
		return x
	}
	for i, v := range values {
		Numbers(x)[i] = float32(v)
	}
	return x
}

// Empty is a tensor full of NaN.
func (p *Problem) Empty(shape []int) device.Tensor {
	return device.Tensor{Data: p.Memory(graph.Size(shape) * floatBytes), Shape: shape}
}

// Memory is full of NaN. The test fails if a kernel writes right behind it, or before it.
func (p *Problem) Memory(bytes int) unsafe.Pointer {
	const fence = 256
	whole := make([]byte, fence+bytes+line+fence)
	for i := range whole {
		whole[i] = 0xff
	}
	start := fence + int(-uintptr(unsafe.Pointer(&whole[fence]))&(line-1))
	p.t.Cleanup(func() {
		written := func(b byte) bool { return b != 0xff }
		if slices.ContainsFunc(whole[:start], written) || slices.ContainsFunc(whole[start+bytes:], written) {
			p.t.Errorf("a kernel has written beyond memory of %d bytes", bytes)
		}
	})
	return unsafe.Pointer(&whole[start])
}

// Numbers are the elements of a tensor of float32.
func Numbers(x device.Tensor) []float32 {
	return unsafe.Slice((*float32)(x.Data), graph.Size(x.Shape))
}

// Compute runs a kernel with scratch memory full of NaN and returns a copy of the result.
func (p *Problem) Compute(k device.Kernel, c *device.Call) []float32 {
	p.t.Helper()
	c.Scratch = nil
	if k.Scratch != nil {
		if bytes := k.Scratch(c); bytes > 0 {
			c.Scratch = p.Memory(bytes)
		}
	}
	if err := k.Run(c); err != nil {
		p.t.Fatal(err)
	}
	return slices.Clone(Numbers(c.Out))
}

// Near checks that got is want, each element to within tolerance times the largest of want (or 1, where want is all zero), and to
// within the smallest number that float32 has with all its digits.
func Near(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
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

// SameBits tells -0 from 0, and finds a NaN equal to itself.
func SameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
