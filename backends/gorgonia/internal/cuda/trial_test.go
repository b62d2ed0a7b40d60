package cuda

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/reference"
)

// A trial is a graph with the values of some of its nodes, and the kernels that are to compute others. A node [N, C, H, W] is Images,
// any other Plain; values are such as elements of their layout can be.
type trial struct {
	graph.Graph
	t       *testing.T
	kernels map[graph.Op]device.Kernel
	bf16    bool
	random  *rand.Rand
	values  map[*graph.Node][]float64
	slack   float64 // multiplies the tolerance, where a case is ill-conditioned in float32
	memory  [][]byte
}

// bothPrecisions runs a test for images of float32 and for those of bfloat16.
func bothPrecisions(t *testing.T, test func(p *trial)) {
	t.Helper()
	for _, bf16 := range []bool{false, true} {
		name := "float32"
		if bf16 {
			name = "bfloat16"
		}
		t.Run(name, func(t *testing.T) {
			p := &trial{
				t: t, kernels: imageKernels(emulated(t, bf16)), bf16: bf16, slack: 1,
				random: rand.New(rand.NewPCG(1, 7)), values: map[*graph.Node][]float64{},
			}
			test(p)
			p.checkEdges()
		})
	}
}

// operand is a tensor of normally distributed numbers.
func (p *trial) operand(shape ...int) *graph.Node { return p.shifted(0, 1, shape...) }

// shifted is an operand of the given mean and standard deviation.
func (p *trial) shifted(mean, deviation float64, shape ...int) *graph.Node {
	n := p.State("operand", shape...)
	values := make([]float64, n.Size())
	for i := range values {
		values[i] = mean + deviation*p.random.NormFloat64()
	}
	p.set(n, values)
	return n
}

// running is a tensor [2, C] of means and variances.
func (p *trial) running(channels int) *graph.Node {
	n := p.operand(2, channels)
	for i := channels; i < 2*channels; i++ {
		p.values[n][i] = float64(float32(0.1 + math.Abs(p.values[n][i])))
	}
	return n
}

// computed gives a node its value, so that it can be an operand.
func (p *trial) computed(n *graph.Node) *graph.Node {
	p.t.Helper()
	p.set(n, p.want(n))
	return n
}

// set gives a node values, rounded to elements of its layout.
func (p *trial) set(n *graph.Node, values []float64) {
	p.values[n] = make([]float64, len(values))
	for i, v := range values {
		p.values[n][i] = float64(float32(v))
		if p.bf16 && layoutOf(n.Shape) == device.Images {
			p.values[n][i] = float64(bf16Value(bf16Bits(float32(v))))
		}
	}
}

// want is the value of a node as the reference has it.
func (p *trial) want(n *graph.Node) []float64 {
	p.t.Helper()
	results, err := reference.Eval(p.t.Context(), &p.Graph, p.values, n)
	if err != nil {
		p.t.Fatal(err)
	}
	return results[0]
}

func layoutOf(shape []int) device.Layout {
	if len(shape) == 4 {
		return device.Images
	}
	return device.Plain
}

// call makes a call of a node's operation; every operand must have a value. The result holds NaN.
func (p *trial) call(n *graph.Node) *device.Call {
	p.t.Helper()
	c := &device.Call{Attr: n.Attr, Out: p.empty(layoutOf(n.Shape), n.Shape)}
	for _, in := range n.In {
		c.In = append(c.In, p.tensor(in))
	}
	return c
}

// tensor has the value of a node; that of nil is left out.
func (p *trial) tensor(n *graph.Node) device.Tensor {
	p.t.Helper()
	if n == nil {
		return device.Tensor{}
	}
	values, ok := p.values[n]
	if !ok {
		p.t.Fatalf("%v has no value", n)
	}
	x := p.empty(layoutOf(n.Shape), n.Shape)
	p.write(x, values)
	return x
}

// empty is a tensor full of NaN.
func (p *trial) empty(l device.Layout, shape []int) device.Tensor {
	return device.Tensor{Data: p.allocate(p.size(l, shape)), Layout: l, Shape: shape}
}

func (p *trial) size(l device.Layout, shape []int) int {
	switch {
	case l == device.Pixels:
		return graph.Size(shape)
	case l == device.Images && p.bf16:
		return 2 * graph.Size(shape)
	}
	return 4 * graph.Size(shape)
}

const edge = 64 // bytes before and behind a tensor

// allocate returns memory full of NaN, aligned to 64 bytes.
func (p *trial) allocate(size int) unsafe.Pointer {
	b := bytes.Repeat([]byte{0xff}, size+3*edge)
	from := int(-uintptr(unsafe.Pointer(&b[0])) & (edge - 1))
	b = b[from : from+size+2*edge]
	p.memory = append(p.memory, b)
	return unsafe.Pointer(&b[edge])
}

// checkEdges looks for anything that was written next to a tensor.
func (p *trial) checkEdges() {
	p.t.Helper()
	for _, b := range p.memory {
		for _, beside := range [][]byte{b[:edge], b[len(b)-edge:]} {
			if slices.ContainsFunc(beside, func(v byte) bool { return v != 0xff }) {
				p.t.Error("a kernel wrote beside a tensor")
			}
		}
	}
	p.memory = nil
}

// places returns the index in memory of each element of a tensor.
func places(l device.Layout, shape []int) []int {
	at := make([]int, graph.Size(shape))
	channels, area := 1, 1
	if l == device.Images {
		channels, area = shape[1], shape[2]*shape[3]
	}
	for i := range at {
		image, channel, pixel := i/(channels*area), i/area%channels, i%area
		at[i] = (image*area+pixel)*channels + channel
	}
	return at
}

func (p *trial) write(x device.Tensor, values []float64) {
	b := unsafe.Slice((*byte)(x.Data), p.size(x.Layout, x.Shape))
	for i, at := range places(x.Layout, x.Shape) {
		if p.bf16 && x.Layout == device.Images {
			binary.NativeEndian.PutUint16(b[2*at:], bf16Bits(float32(values[i])))
		} else {
			binary.NativeEndian.PutUint32(b[4*at:], math.Float32bits(float32(values[i])))
		}
	}
}

func (p *trial) read(x device.Tensor) []float32 {
	b := unsafe.Slice((*byte)(x.Data), p.size(x.Layout, x.Shape))
	values := make([]float32, graph.Size(x.Shape))
	for i, at := range places(x.Layout, x.Shape) {
		if p.bf16 && x.Layout == device.Images {
			values[i] = bf16Value(binary.NativeEndian.Uint16(b[2*at:]))
		} else {
			values[i] = math.Float32frombits(binary.NativeEndian.Uint32(b[4*at:]))
		}
	}
	return values
}

// bf16Bits rounds to nearest even.
func bf16Bits(v float32) uint16 {
	u := math.Float32bits(v)
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

func bf16Value(v uint16) float32 { return math.Float32frombits(uint32(v) << 16) }

// compute runs the kernel of an operation with scratch memory full of NaN and returns the result.
func (p *trial) compute(op graph.Op, c *device.Call) []float32 {
	p.t.Helper()
	k := p.kernels[op]
	if k.Scratch != nil && c.Scratch == nil {
		c.Scratch = p.allocate(k.Scratch(c))
	}
	if err := k.Run(c); err != nil {
		p.t.Fatal(err)
	}
	return p.read(c.Out)
}

// check computes a call twice, and a third time in the memory of the operand that the kernel may overwrite.
func (p *trial) check(n *graph.Node, c *device.Call, want []float64) {
	p.t.Helper()
	got := p.compute(n.Op, c)
	p.near(n, c.Out.Layout, got, want)
	if again := p.compute(n.Op, c); !slices.EqualFunc(again, got, sameBits) {
		p.t.Errorf("%v: a second time it computes other bits", n)
	}
	if over := p.kernels[n.Op].Overwrites; over > 0 {
		c.Out.Data = c.In[over-1].Data
		if again := p.compute(n.Op, c); !slices.EqualFunc(again, got, sameBits) {
			p.t.Errorf("%v: overwriting operand %d changes the result", n, over-1)
		}
	}
}

// near checks that each element of got is that of want, to within 1e-5 of the largest of its row of a tensor [2, C]; images of bfloat16
// as a whole to within 1e-2.
func (p *trial) near(n *graph.Node, l device.Layout, got []float32, want []float64) {
	p.t.Helper()
	if p.bf16 && l == device.Images {
		var wrong, all float64
		for i, v := range want {
			d := float64(got[i]) - v
			wrong += d * d
			all += v * v
		}
		if r := math.Sqrt(wrong / max(all, 1e-30)); !(r <= 1e-2) {
			p.t.Errorf("%v: off by %.1e", n, r)
		}
		return
	}
	row := len(want)
	if len(n.Shape) == 2 && n.Shape[0] == 2 {
		row = n.Shape[1] // a large mean must not hide a wrong variance
	}
	for from := 0; from < len(want); from += row {
		largest := 0.0
		for _, v := range want[from : from+row] {
			largest = max(largest, math.Abs(v))
		}
		if largest == 0 {
			largest = 1
		}
		for i := from; i < from+row; i++ {
			if d := math.Abs(float64(got[i])-want[i]) / largest; !(d <= 1e-5*p.slack) {
				p.t.Errorf("%v: element %d is %v, want %v: off by %.1e of the largest", n, i, got[i], want[i], d)
				return
			}
		}
	}
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
