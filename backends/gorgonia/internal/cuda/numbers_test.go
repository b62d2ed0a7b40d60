//go:build linux

package cuda

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/reference"
)

// A sum is a graph with the values of its operands, and a GPU that computes its nodes.
type sum struct {
	graph.Graph
	t         *testing.T
	gpu       *gpu
	precision precision
	random    *rand.Rand
	values    map[*graph.Node][]float64
}

func newSum(t *testing.T, g *gpu, p precision) *sum {
	return &sum{t: t, gpu: g, precision: p, random: rand.New(rand.NewPCG(1, 7)), values: map[*graph.Node][]float64{}}
}

// operand is a tensor of normally distributed numbers, of few digits where images are bfloat16, so that these hold them.
func (s *sum) operand(shape ...int) *graph.Node {
	n := s.State("operand", shape...)
	for range n.Size() {
		s.values[n] = append(s.values[n], float64(toBF16(float32(s.random.NormFloat64()))))
	}
	return n
}

func (s *sum) want(n *graph.Node) []float64 {
	s.t.Helper()
	results, err := reference.Eval(s.t.Context(), &s.Graph, s.values, n)
	if err != nil {
		s.t.Fatal(err)
	}
	return results[0]
}

// toBF16 rounds to the nearest number of bfloat16.
func toBF16(v float32) float32 {
	u := math.Float32bits(v)
	return math.Float32frombits((u + 0x7fff + u>>16&1) &^ 0xffff)
}

// tensor is a node in the GPU's memory, with its value if it has one, and else full of NaN.
func (s *sum) tensor(n *graph.Node, l device.Layout) device.Tensor {
	s.t.Helper()
	values := s.values[n]
	if values == nil {
		values = make([]float64, n.Size())
		for i := range values {
			values[i] = math.NaN()
		}
	}
	b := s.pack(values, n.Shape, l)
	x := device.Tensor{Data: allocated(s.t, s.gpu, len(b)), Layout: l, Shape: n.Shape}
	if err := s.gpu.upload(x.Data, b); err != nil {
		s.t.Fatal(err)
	}
	return x
}

// pack makes bytes of numbers as a layout has them.
func (s *sum) pack(values []float64, shape []int, l device.Layout) []byte {
	ordered := make([]float32, len(values))
	for i, v := range values {
		ordered[place(i, shape, l)] = float32(v)
	}
	if l != device.Images || s.precision != bf16 {
		return asBytes(ordered)
	}
	halves := make([]uint16, len(ordered))
	for i, v := range ordered {
		halves[i] = uint16(math.Float32bits(toBF16(v)) >> 16)
	}
	return asBytes(halves)
}

// place is where element i of a row-major tensor lies.
func place(i int, shape []int, l device.Layout) int {
	if l != device.Images {
		return i
	}
	c, h, w := shape[1], shape[2], shape[3]
	return ((i/(c*h*w)*h+i/w%h)*w+i%w)*c + i/(h*w)%c
}

// result is the value of a tensor in the GPU's memory.
func (s *sum) result(x device.Tensor) []float64 {
	s.t.Helper()
	size := graph.Size(x.Shape)
	values := make([]float32, size)
	if x.Layout == device.Images && s.precision == bf16 {
		halves := make([]uint16, size)
		if err := s.gpu.download(asBytes(halves), x.Data); err != nil {
			s.t.Fatal(err)
		}
		for i, h := range halves {
			values[i] = math.Float32frombits(uint32(h) << 16)
		}
	} else if err := s.gpu.download(asBytes(values), x.Data); err != nil {
		s.t.Fatal(err)
	}
	ordered := make([]float64, size)
	for i := range ordered {
		ordered[i] = float64(values[place(i, x.Shape, x.Layout)])
	}
	return ordered
}

// lend gives a call the scratch memory that its kernel asks for.
func (s *sum) lend(k device.Kernel, c *device.Call) {
	s.t.Helper()
	c.Room = k.Scratch(c)
	c.Scratch = s.scratch(c.Room)
}

// scratch is memory full of NaN.
func (s *sum) scratch(bytes int) unsafe.Pointer {
	s.t.Helper()
	p := allocated(s.t, s.gpu, bytes)
	full := make([]byte, bytes)
	for i := range full {
		full[i] = 0xff
	}
	if err := s.gpu.upload(p, full); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// near checks each element to within a part of the largest.
func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	largest := 0.0
	for _, v := range want {
		largest = max(largest, math.Abs(v))
	}
	for i, v := range want {
		if d := math.Abs(got[i] - v); !(d <= tolerance*largest) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], v)
		}
	}
}
