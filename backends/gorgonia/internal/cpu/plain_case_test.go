package cpu

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

// A problem is a graph with the values of some of its nodes, float32 numbers in float64.
type problem struct {
	graph.Graph
	t      *testing.T
	random *rand.Rand
	values map[*graph.Node][]float64
	slack  float64 // multiplies the tolerance, where a case is ill-conditioned in float32
}

func newProblem(t *testing.T, seed uint64) *problem {
	return &problem{t: t, random: rand.New(rand.NewPCG(seed, 7)), values: map[*graph.Node][]float64{}, slack: 1}
}

// operand is a tensor of normally distributed numbers.
func (p *problem) operand(shape ...int) *graph.Node { return p.shifted(0, 1, shape...) }

// shifted is an operand of the given mean and standard deviation.
func (p *problem) shifted(mean, deviation float64, shape ...int) *graph.Node {
	return p.drawn(func(int) float64 { return mean + deviation*p.random.NormFloat64() }, shape...)
}

// drawn is an operand whose element i is draw(i).
func (p *problem) drawn(draw func(i int) float64, shape ...int) *graph.Node {
	n := p.State("operand", shape...)
	values := make([]float64, n.Size())
	for i := range values {
		values[i] = float64(float32(draw(i)))
	}
	p.values[n] = values
	return n
}

// computed gives a node its value, rounded to float32, so that it can be an operand.
func (p *problem) computed(n *graph.Node) *graph.Node {
	values := p.want(n)
	for i, v := range values {
		values[i] = float64(float32(v))
	}
	p.values[n] = values
	return n
}

// unit is an operand [rows, features] of unit vectors.
func (p *problem) unit(rows, features int) *graph.Node {
	return p.computed(p.L2Normalize(p.operand(rows, features)))
}

// classes are labels of rows.
func (p *problem) classes(rows, classes int) *graph.Node {
	n := p.Labels(rows, classes)
	for range rows {
		p.values[n] = append(p.values[n], float64(p.random.IntN(classes)))
	}
	return n
}

// want is the value of a node as the reference has it.
func (p *problem) want(n *graph.Node) []float64 {
	p.t.Helper()
	results, err := reference.Eval(p.t.Context(), &p.Graph, p.values, n)
	if err != nil {
		p.t.Fatal(err)
	}
	return results[0]
}

// call makes a call of a node's operation; every operand must have a value. The result and its neighbours hold NaN.
func (p *problem) call(n *graph.Node) *device.Call {
	p.t.Helper()
	c := &device.Call{Attr: n.Attr, Out: tensor(n.Shape, n.Size()*floatBytes)}
	for _, in := range n.In {
		c.In = append(c.In, p.tensor(in))
	}
	return c
}

// tensor has the value of a node.
func (p *problem) tensor(n *graph.Node) device.Tensor {
	p.t.Helper()
	if n == nil {
		return device.Tensor{}
	}
	values, ok := p.values[n]
	if !ok {
		p.t.Fatalf("%v has no value", n)
	}
	x := tensor(n.Shape, n.Size()*floatBytes)
	if n.Op == graph.OpLabels {
		x.Layout = device.Classes
		for i, v := range values {
			elements[int32](x)[i] = int32(v)
		}
		return x
	}
	for i, v := range values {
		floats(x)[i] = float32(v)
	}
	return x
}

// tensor is memory full of NaN, aligned like that of a device.
func tensor(shape []int, bytes int) device.Tensor {
	return device.Tensor{Data: aligned(bytes), Shape: shape}
}

func aligned(bytes int) unsafe.Pointer {
	memory := make([]byte, bytes+cacheLine)
	for i := range memory {
		memory[i] = 0xff
	}
	return unsafe.Pointer(&memory[-uintptr(unsafe.Pointer(&memory[0]))&(cacheLine-1)])
}

// compute runs a kernel with scratch memory full of NaN and returns a copy of the result.
func compute(t *testing.T, k device.Kernel, c *device.Call) []float32 {
	t.Helper()
	if k.Scratch != nil {
		c.Scratch = aligned(max(1, k.Scratch(c)))
	}
	if err := k.Run(c); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(floats(c.Out))
}

// near checks that got is want, each element to within tolerance times the largest of want (or 1, where want is all zero), and to
// within the smallest number that float32 has with all its digits.
func near(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
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

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
