package onnx

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/internal/kernel"
)

// TestOperators compares goclr's operators with the reference backend on random shapes, for each set of instructions that this CPU
// has. The number of threads must not change a bit.
func TestOperators(t *testing.T) {
	alone, together := openWith(t, backends.Options{Threads: 1}).(*backend), openWith(t, backends.Options{Threads: 3}).(*backend)
	defer closeTest(t, alone)
	defer closeTest(t, together)
	oracle, err := backends.Open(t.Context(), "reference", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range []struct {
		name        string
		pairs, size int // of the batch
		count       int // of shapes
		add         func(s *shapes)
	}{
		{"convolution", 2, 3, 100, (*shapes).convolution},
		{"wide convolution", 2, 3, 1, (*shapes).wideConvolution},
		{"convolution of pixels", 2, 3, 30, (*shapes).pixels},
		{"convolution of more pixels", 3, 8, 40, (*shapes).pixels},
		{"convolution of many pixels", 4, 17, 30, (*shapes).pixels},
		{"normalisation", 2, 3, 100, (*shapes).normalisation},
		{"pooling", 2, 3, 100, (*shapes).pooling},
		{"optimiser", 2, 3, 100, (*shapes).optimiser},
	} {
		t.Run(kind.name, func(t *testing.T) {
			var s *shapes
			step := stepOf(kind.pairs, kind.size, func(g *graph.Graph, w, _ *graph.Node) []graph.Update {
				s = &shapes{Graph: g, random: rand.New(rand.NewPCG(uint64(i), 5))}
				s.hold(w, s.random.NormFloat64)
				for range kind.count {
					kind.add(s)
				}
				return s.updates
			})
			batch := pairsOf(t, kind.pairs, kind.size)
			want := stepped(t, oracle, step, s.weights, batch)
			for _, level := range kernel.Levels() {
				alone.settings.level, together.settings.level = level, level
				got := stepped(t, alone, step, s.weights, batch)
				compare(t, level, got, want)
				again := stepped(t, together, step, s.weights, batch)
				for i, tensor := range got {
					if !slices.EqualFunc(tensor.Data, again[i].Data, sameBits) {
						t.Errorf("%v: %s: three threads make another result than one", level, tensor.Name)
					}
				}
			}
		})
	}
}

// TestLevelIsOfTheSession compiles for one level after the other, and only then takes steps.
func TestLevelIsOfTheSession(t *testing.T) {
	levels := kernel.Levels()
	if len(levels) < 2 {
		t.Skip("this CPU has one level")
	}
	b := openTest(t).(*backend)
	defer closeTest(t, b)
	s, batch := blockOf(2, 9, 20, 2), pairsOf(t, 2, 9)
	after := func(p backends.Program) backends.Weights {
		if _, err := p.Step(t.Context(), batch, 1); err != nil {
			t.Fatal(err)
		}
		w, err := p.Save()
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	programs := make([]backends.Program, len(levels))
	for i, level := range levels {
		b.settings.level = level
		programs[i] = programOf(t, b, s)
		defer closeTest(t, programs[i])
	}
	for i, level := range levels {
		got := after(programs[i])
		b.settings.level = level
		p := programOf(t, b, s)
		defer closeTest(t, p)
		want := after(p)
		for j := range got {
			if !slices.EqualFunc(got[j].Data, want[j].Data, sameBits) {
				t.Errorf("%s of a program for %v depends on the programs compiled after it", got[j].Name, level)
			}
		}
	}
}

// TestNotFinite follows the reference where a model has diverged, and with an eps of zero.
func TestNotFinite(t *testing.T) {
	b := openTest(t).(*backend)
	defer closeTest(t, b)
	oracle, err := backends.Open(t.Context(), "reference", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var s *shapes
	step := stepOf(2, 3, func(g *graph.Graph, w, _ *graph.Node) []graph.Update {
		s = &shapes{Graph: g, random: rand.New(rand.NewPCG(1, 6))}
		s.hold(w, s.random.NormFloat64)
		shape := []int{2, 5, 4, 4}
		least := s.drawn(func() float64 { return []float64{math.Inf(-1), 1}[s.random.IntN(8)/7] }, shape...)
		y := s.MaxPool(least, 3, 2, 1)
		s.yield("-infinity", y, s.MaxPoolGrad(least, y, s.operand(y.Shape...), 3, 2, 1))

		none := s.drawn(math.NaN, shape...)
		s.yield("NaN", s.Normalize(none, s.Moments(none), s.operand(5), s.operand(5), nil, true, 1e-5), s.MaxPool(none, 3, 2, 1))

		x := s.operand(shape...)
		whole := s.Normalize(x, s.Moments(x), s.operand(5), s.operand(5), nil, false, 0)
		s.yield("eps 0", s.Conv(whole, s.operand(7, 5, 1, 1), 1, 0), s.Conv(whole, s.operand(7, 5, 3, 3), 1, 1))
		return s.updates
	})
	batch := pairsOf(t, 2, 3)
	want := stepped(t, oracle, step, s.weights, batch)
	for _, level := range kernel.Levels() {
		b.settings.level = level
		got := stepped(t, b, step, s.weights, batch)
		for i, w := range want {
			for j, v := range w.Data {
				g := got[i].Data[j]
				near := g == v || math.IsNaN(float64(g)) && math.IsNaN(float64(v)) || math.Abs(float64(g-v)) < 1e-4
				if !near {
					t.Errorf("%v: element %d of %s is %v, want %v", level, j, w.Name, g, v)
					break
				}
			}
		}
	}
}

// stepped returns the weights after a step.
func stepped(t *testing.T, b backends.Backend, s *graph.Step, w backends.Weights, batch arrow.Record) backends.Weights {
	t.Helper()
	p, err := b.Compile(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, p)
	if err := p.Load(w); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Step(t.Context(), batch, 0.25); err != nil {
		t.Fatal(err)
	}
	after, err := p.Save()
	if err != nil {
		t.Fatal(err)
	}
	return after
}

// compare allows for errors of 3e-5 of the largest element of a tensor.
func compare(t *testing.T, level kernel.Level, got, want backends.Weights) {
	t.Helper()
	for i, w := range want {
		largest, worst := 0.0, 0.0
		for j, v := range w.Data {
			largest = max(largest, math.Abs(float64(v)))
			worst = max(worst, math.Abs(float64(got[i].Data[j])-float64(v))) // NaN where one is
		}
		if !(worst <= 3e-5*largest) {
			t.Errorf("%v: %s is off by %.1e of its largest element", level, w.Name, worst/largest)
		}
	}
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// shapes adds operations of random shapes to a step, whose results are tensors after it.
type shapes struct {
	*graph.Graph
	random  *rand.Rand
	weights backends.Weights
	updates []graph.Update
}

func (s *shapes) between(least, most int) int { return least + s.random.IntN(most-least+1) }

func (s *shapes) chance(of int) bool { return s.random.IntN(of) == 0 }

func (s *shapes) hold(n *graph.Node, draw func() float64) *graph.Node {
	data := make([]float32, n.Size())
	for i := range data {
		data[i] = float32(draw())
	}
	s.weights = append(s.weights, backends.Tensor{Name: n.Name, Shape: n.Shape, Data: data})
	return n
}

func (s *shapes) drawn(draw func() float64, shape ...int) *graph.Node {
	return s.hold(s.State(fmt.Sprintf("operand %d", len(s.weights)), shape...), draw)
}

func (s *shapes) operand(shape ...int) *graph.Node { return s.drawn(s.random.NormFloat64, shape...) }

// yield makes nodes results of the step.
func (s *shapes) yield(of string, nodes ...*graph.Node) {
	for _, n := range nodes {
		target := s.State(fmt.Sprintf("%v of %s, result %d", n.Op, of, len(s.updates)), n.Shape...)
		s.hold(target, func() float64 { return 7 })
		s.updates = append(s.updates, graph.Update{Target: target, Value: n})
	}
}

// channels mostly stay within four blocks of 16.
func (s *shapes) channels() int {
	if s.chance(8) {
		return 1
	}
	if s.chance(8) {
		return s.between(65, 80)
	}
	return s.between(1, 50)
}

// images is the shape of images that hold a window of k by k.
func (s *shapes) images(k, pad int) []int {
	least := max(1, k-2*pad)
	return []int{s.between(1, 5), s.channels(), s.between(least, 11), s.between(least, 11)}
}

func (s *shapes) window() (k, stride, pad int) {
	if s.chance(3) {
		return 3, 1, s.between(0, 3)
	}
	return []int{1, 2, 3, 5, 7}[s.random.IntN(5)], s.between(1, 3), s.between(0, 3)
}

func (s *shapes) convolution() {
	k, stride, pad := s.window()
	s.convolve(s.operand(s.images(k, pad)...), s.channels(), k, stride, pad)
}

// wideConvolution has more filters than are packed at once.
func (s *shapes) wideConvolution() { s.convolve(s.operand(1, 250, 4, 3), 250, 3, 1, 1) }

func (s *shapes) convolve(x *graph.Node, filters, k, stride, pad int) {
	w := s.operand(filters, x.Shape[1], k, k)
	y := s.Conv(x, w, stride, pad)
	dy := s.operand(y.Shape...)
	s.yield(fmt.Sprintf("%v by %v, stride %d, pad %d", x.Shape, w.Shape, stride, pad),
		y, s.ConvGradInput(dy, w, x.Shape, stride, pad), s.ConvGradFilter(x, dy, k, stride, pad))
}

func (s *shapes) pixels() {
	x := s.Nodes[slices.IndexFunc(s.Nodes, func(n *graph.Node) bool { return n.Op == graph.OpImage })]
	k, stride, pad := s.window()
	if k > x.Shape[2]+2*pad {
		pad = 3
	}
	w := s.operand(s.channels(), 3, k, k)
	y := s.Conv(x, w, stride, pad)
	s.yield(fmt.Sprintf("%v by %v, stride %d, pad %d", x.Shape, w.Shape, stride, pad),
		y, s.ConvGradFilter(x, s.operand(y.Shape...), k, stride, pad))
}

func (s *shapes) normalisation() {
	shape := s.images(3, 0)
	c := shape[1]
	x, gamma := s.operand(shape...), s.operand(c)
	moments := s.Moments(x)
	if s.chance(3) {
		moments = s.Stack(s.operand(c), s.drawn(func() float64 { return 0.5 + s.random.Float64() }, c))
	}
	var beta, add *graph.Node
	if !s.chance(3) {
		beta = s.operand(c)
	}
	if s.chance(2) {
		add = s.operand(shape...)
	}
	relu := s.chance(2)
	y := s.Normalize(x, moments, gamma, beta, add, relu, 1e-5)
	dy := s.operand(shape...)
	results := []*graph.Node{moments, y}
	masked := s.chance(2)
	if masked {
		dy = s.ReLUGrad(s.operand(shape...), dy)
		if s.chance(3) {
			results = append(results, dy)
		}
	}
	if !s.chance(3) {
		results = append(results, s.NormalizeGradParams(x, moments, dy, 1e-5))
	}
	results = append(results, s.NormalizeGradInput(x, moments, gamma, dy, 1e-5))
	s.yield(fmt.Sprintf("%v, %v, beta %v, add %v, ReLU %v, gradient of ReLU %v", shape, moments.Op, beta != nil, add != nil, relu, masked), results...)
}

// pooling is over whole numbers, so that windows have several maxima.
func (s *shapes) pooling() {
	k, stride := s.between(1, 4), s.between(1, 4)
	pad := s.between(0, k-1)
	shape := s.images(k, pad)
	x := s.drawn(func() float64 { return float64(s.between(-2, 2)) }, shape...)
	y := s.MaxPool(x, k, stride, pad)
	s.yield(fmt.Sprintf("%v by %dx%d, stride %d, pad %d", shape, k, k, stride, pad),
		y, s.MaxPoolGrad(x, y, s.operand(y.Shape...), k, stride, pad), s.AvgPool(x), s.AvgPoolGrad(s.operand(shape[:2]...), shape))
}

func (s *shapes) optimiser() {
	shape := []int{s.between(1, 20), s.between(1, 9), s.between(1, 7), s.between(1, 7)}[:s.between(0, 4)]
	p, v := s.operand(shape...), s.operand(shape...)
	var rate *graph.Node
	if s.chance(2) {
		rate = s.Rate()
	}
	s.yield(fmt.Sprint(shape), s.Velocity(v, p, s.operand(shape...), 0.9, 1e-3), s.Descend(p, v, rate))
}
