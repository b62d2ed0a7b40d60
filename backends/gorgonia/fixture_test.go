package gorgonia

import (
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/gorgonia/internal/cpu"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// The sizes of the small step.
const (
	smallPairs = 3
	smallRows  = 5 // images of an evaluation
	smallSize  = 9 // pixels
	smallRate  = 0.1
)

// A smallNet builds a residual network: a first layer, a block with a projected shortcut, one with none, and a head.
type smallNet struct {
	*graph.Graph
	training bool
	tensors  map[string]*graph.Node
	params   []*graph.Node
	moved    []graph.Update
}

// smallStep is a step of that network with running statistics, momentum and LARS.
func smallStep() *graph.Step {
	n := &smallNet{Graph: &graph.Graph{}, tensors: map[string]*graph.Node{}}
	mean, std := [3]float64{0.5, 0.4, 0.5}, [3]float64{0.25, 0.25, 0.2}
	s := &graph.Step{Graph: n.Graph}
	s.Features = n.encode(n.Image("views", smallRows, smallSize, smallSize, mean, std))
	n.training = true
	x := n.encode(n.Image("views", 2*smallPairs, smallSize, smallSize, mean, std))
	x = n.norm("head.norm", n.MatMul(x, n.param("head.weight", 6, 20), false, true), nil, false)
	s.Project = n.L2Normalize(n.AddBias(x, n.param("head.bias", 6)))
	s.Loss = n.NTXent(s.Project, 0.2)
	s.Accuracy, s.Spread = n.PairAccuracy(s.Project), n.Spread(s.Project)
	s.Differentiate(n.params)
	s.Updates = n.moved
	rate := n.Rate()
	for _, g := range s.Gradients {
		v := n.Slot("momentum/"+g.Param.Name, g.Param.Shape...)
		velocity, factor := n.Velocity(v, g.Param, g.Value, 0.9, 1e-4), rate
		if len(g.Param.Shape) > 1 {
			velocity, factor = n.LARSVelocity(v, g.Param, g.Value, rate, 0.9, 1e-4, 0.1), nil
		}
		s.Updates = append(s.Updates, graph.Update{Target: g.Param, Value: n.Descend(g.Param, velocity, factor)},
			graph.Update{Target: v, Value: velocity})
	}
	return s
}

func (n *smallNet) encode(x *graph.Node) *graph.Node {
	x = n.MaxPool(n.norm("norm1", n.conv("conv1", x, 20, 3, 1), nil, true), 3, 2, 1)
	shortcut := n.norm("a.shortcut.norm", n.conv("a.shortcut", x, 20, 1, 2), nil, false)
	x = n.norm("a.norm1", n.conv("a.conv1", x, 20, 3, 2), nil, true)
	x = n.norm("a.norm2", n.conv("a.conv2", x, 20, 3, 1), shortcut, true)
	y := n.norm("b.norm1", n.conv("b.conv1", x, 20, 3, 1), nil, true)
	return n.AvgPool(n.norm("b.norm2", n.conv("b.conv2", y, 20, 3, 1), x, true))
}

func (n *smallNet) conv(name string, x *graph.Node, filters, k, stride int) *graph.Node {
	return n.Conv(x, n.param(name, filters, x.Shape[1], k, k), stride, k/2)
}

func (n *smallNet) norm(name string, x, add *graph.Node, relu bool) *graph.Node {
	c := x.Shape[1]
	mean := n.tensor(name+".mean", func(name string) *graph.Node { return n.State(name, c) })
	variance := n.tensor(name+".variance", func(name string) *graph.Node { return n.State(name, c) })
	moments := n.Stack(mean, variance)
	if n.training {
		moments = n.Moments(x)
		n.moved = append(n.moved, graph.Update{Target: mean, Value: n.Lerp(mean, n.Row(moments, 0), 0.1)},
			graph.Update{Target: variance, Value: n.Lerp(variance, n.Row(moments, 1), 0.1)})
	}
	return n.Normalize(x, moments, n.param(name+".gamma", c), n.param(name+".beta", c), add, relu, 1e-5)
}

func (n *smallNet) param(name string, shape ...int) *graph.Node {
	return n.tensor(name, func(name string) *graph.Node {
		p := n.Param(name, shape...)
		n.params = append(n.params, p)
		return p
	})
}

func (n *smallNet) tensor(name string, add func(name string) *graph.Node) *graph.Node {
	if n.tensors[name] == nil {
		n.tensors[name] = add(name)
	}
	return n.tensors[name]
}

// weightsOf gives each tensor of a step values: positive where they scale, small where they are many.
func weightsOf(s *graph.Step, seed uint64) backends.Weights {
	r := rand.New(rand.NewPCG(seed, 7))
	var w backends.Weights
	for _, n := range s.Tensors() {
		t := backends.Tensor{Name: n.Name, Shape: n.Shape, Data: make([]float32, n.Size())}
		for i := range t.Data {
			switch v := float32(r.NormFloat64()); {
			case n.Op == graph.OpSlot:
			case len(n.Shape) > 1:
				t.Data[i] = v * float32(math.Sqrt(2/float64(n.Size()/n.Shape[0])))
			default:
				t.Data[i] = 1 + 0.2*v
			}
		}
		w = append(w, t)
	}
	return w
}

// viewsOf makes a record of random images, of so many views a row.
func viewsOf(t testing.TB, seed uint64, rows, views, size int) arrow.Record {
	t.Helper()
	column, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Uint8, []int{views, size, size, 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "views", Type: column}}, nil))
	defer b.Release()
	list := b.Field(0).(*array.ExtensionBuilder).StorageBuilder().(*array.FixedSizeListBuilder)
	r := rand.New(rand.NewPCG(seed, 8))
	for range rows {
		list.Append(true)
		for range views * size * size * 3 {
			list.ValueBuilder().(*array.Uint8Builder).Append(uint8(r.IntN(256)))
		}
	}
	record := b.NewRecord()
	t.Cleanup(record.Release)
	return record
}

// smallBatch is a batch of pairs for the small step.
func smallBatch(t testing.TB, seed uint64) arrow.Record {
	t.Helper()
	return viewsOf(t, seed, smallPairs, 2, smallSize)
}

func closeTest(t testing.TB, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// openTest opens the backend, and closes it when the test ends.
func openTest(t testing.TB, o backends.Options) backends.Backend {
	t.Helper()
	b, err := backends.Open(t.Context(), "gorgonia", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeTest(t, b) })
	return b
}

// compileTest compiles a step, with weights by the seed 1, and closes the program when the test ends.
func compileTest(t testing.TB, b backends.Backend, s *graph.Step) backends.Program {
	t.Helper()
	p, err := b.Compile(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeTest(t, p) })
	if err := p.Load(weightsOf(s, 1)); err != nil {
		t.Fatal(err)
	}
	return p
}

func newCPU(t testing.TB, o cpu.Options) *cpu.Device {
	t.Helper()
	d, err := cpu.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func stepTest(t testing.TB, p backends.Program, batch arrow.Record) backends.Metrics {
	t.Helper()
	m, err := p.Step(t.Context(), batch, smallRate)
	if err != nil {
		t.Fatalf("Step: %v", err)
	}
	return m
}

func saveTest(t testing.TB, p backends.Program) backends.Weights {
	t.Helper()
	w, err := p.Save()
	if err != nil {
		t.Fatalf("Save: %v", err)
	}
	return w
}

// wantSame fails unless two sets of tensors are equal to the bit.
func wantSame(t testing.TB, what string, got, want backends.Weights) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d tensors, want %d", what, len(got), len(want))
	}
	for i, w := range want {
		if g := got[i]; g.Name != w.Name || !slices.EqualFunc(g.Data, w.Data, sameBits) {
			t.Fatalf("%s: tensor %s differs", what, w.Name)
		}
	}
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one that says %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

// hasCgo reports whether there are kernels in C.
func hasCgo() bool {
	i, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(i.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "1"})
}
