package graph_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/reference"
)

// A network is a graph whose parameters have random values in float64.
type network struct {
	graph.Graph
	random *rand.Rand
	params []*graph.Node
	values map[*graph.Node][]float64
}

func newNetwork() *network {
	return &network{random: rand.New(rand.NewPCG(1, 2)), values: map[*graph.Node][]float64{}}
}

func (n *network) param(shape ...int) *graph.Node {
	p := n.Param(fmt.Sprintf("param%d", len(n.params)), shape...)
	values := make([]float64, p.Size())
	for i := range values {
		values[i] = n.random.NormFloat64()
	}
	n.params, n.values[p] = append(n.params, p), values
	return p
}

// pooled turns images into vectors, in a way that gives each element a gradient of its own: that of AvgPool alone is
// the same for all elements of a channel, and hides errors.
func (n *network) pooled(x *graph.Node) *graph.Node {
	return n.AvgPool(n.ReLU(x))
}

// gradientCases each compute vectors z [rows, F], which a loss then compares. Together they take each gradient rule
// through all its branches.
var gradientCases = []struct {
	op    graph.Op
	name  string
	build func(n *network) *graph.Node
}{
	{graph.OpConv, "at stride 1", func(n *network) *graph.Node {
		return n.pooled(n.Conv(n.param(4, 2, 4, 5), n.param(3, 2, 3, 3), 1, 1))
	}},
	{graph.OpConv, "at stride 2", func(n *network) *graph.Node {
		return n.pooled(n.Conv(n.param(4, 2, 7, 6), n.param(3, 2, 3, 3), 2, 1))
	}},
	{graph.OpConv, "large filter", func(n *network) *graph.Node {
		return n.pooled(n.Conv(n.param(4, 1, 6, 7), n.param(3, 1, 5, 5), 1, 1))
	}},
	{graph.OpConv, "1 by 1 at stride 2", func(n *network) *graph.Node {
		return n.pooled(n.Conv(n.param(4, 2, 6, 5), n.param(3, 2, 1, 1), 2, 0))
	}},
	{graph.OpNormalize, "plain", func(n *network) *graph.Node {
		x := n.param(6, 3)
		return n.Normalize(x, n.Moments(x), n.param(3), nil, nil, false, 0.1)
	}},
	{graph.OpNormalize, "beta", func(n *network) *graph.Node {
		x := n.param(6, 3)
		return n.Normalize(x, n.Moments(x), n.param(3), n.param(3), nil, false, 0.1)
	}},
	{graph.OpNormalize, "beta, sum and ReLU of images", func(n *network) *graph.Node {
		x := n.param(4, 2, 3, 2)
		return n.AvgPool(n.Normalize(x, n.Moments(x), n.param(2), n.param(2), n.param(4, 2, 3, 2), true, 0.1))
	}},
	{graph.OpReLU, "", func(n *network) *graph.Node { return n.ReLU(n.param(6, 3)) }},
	{graph.OpMaxPool, "overlapping", func(n *network) *graph.Node { return n.AvgPool(n.MaxPool(n.param(4, 2, 6, 5), 3, 2, 1)) }},
	{graph.OpMaxPool, "unpadded", func(n *network) *graph.Node { return n.AvgPool(n.MaxPool(n.param(4, 2, 6, 5), 2, 1, 0)) }},
	{graph.OpAvgPool, "", func(n *network) *graph.Node { return n.AvgPool(n.param(4, 3, 2, 3)) }},
	{graph.OpMatMul, "", func(n *network) *graph.Node { return n.MatMul(n.param(6, 4), n.param(4, 3), false, false) }},
	{graph.OpMatMul, "first transposed", func(n *network) *graph.Node { return n.MatMul(n.param(4, 6), n.param(4, 3), true, false) }},
	{graph.OpMatMul, "second transposed", func(n *network) *graph.Node { return n.MatMul(n.param(6, 4), n.param(3, 4), false, true) }},
	{graph.OpMatMul, "both transposed", func(n *network) *graph.Node { return n.MatMul(n.param(4, 6), n.param(3, 4), true, true) }},
	{graph.OpAddBias, "", func(n *network) *graph.Node { return n.AddBias(n.param(6, 3), n.param(3)) }},
	{graph.OpAdd, "", func(n *network) *graph.Node { return n.Add(n.param(6, 3), n.param(6, 3)) }},
	{graph.OpAdd, "of a node to itself", func(n *network) *graph.Node {
		x := n.param(6, 3)
		return n.Add(x, x)
	}},
	{graph.OpScale, "", func(n *network) *graph.Node { return n.Scale(n.param(6, 3), -1.5) }},
	{graph.OpL2Normalize, "", func(n *network) *graph.Node { return n.L2Normalize(n.param(6, 3)) }},
	{graph.OpConv, "residual block", func(n *network) *graph.Node { // x is read three times
		x := n.Conv(n.param(4, 2, 4, 4), n.param(2, 2, 3, 3), 1, 1)
		y := n.Conv(x, n.param(2, 2, 3, 3), 1, 1)
		y = n.Normalize(y, n.Moments(y), n.param(2), n.param(2), x, true, 0.1)
		return n.L2Normalize(n.AvgPool(n.Add(x, y)))
	}},
}

// TestGrad compares the gradient of each parameter with the slope of the loss, found by moving one number at a time.
func TestGrad(t *testing.T) {
	for _, c := range gradientCases {
		t.Run(strings.TrimSpace(fmt.Sprintf("%s %s", c.op, c.name)), func(t *testing.T) {
			n := newNetwork()
			loss := n.NTXent(c.build(n), 0.7)
			for i, grad := range n.Grad(loss, n.params) {
				compareWithSlope(t, n, loss, n.params[i], grad)
			}
		})
	}
}

// TestGradOfCrossEntropy is TestGrad for the loss of labels, which are no vectors to be compared.
func TestGradOfCrossEntropy(t *testing.T) {
	n := newNetwork()
	labels := n.Labels(6, 4)
	n.values[labels] = []float64{3, 0, 1, 1, 2, 0}
	loss := n.CrossEntropy(n.AddBias(n.MatMul(n.param(6, 3), n.param(3, 4), false, false), n.param(4)), labels)
	for i, grad := range n.Grad(loss, n.params) {
		compareWithSlope(t, n, loss, n.params[i], grad)
	}
}

func compareWithSlope(t *testing.T, n *network, loss, param, grad *graph.Node) {
	t.Helper()
	if grad == nil || !slices.Equal(grad.Shape, param.Shape) {
		t.Fatalf("gradient of %v is %v", param, grad)
	}
	const move = 1e-6
	got, largest := n.eval(t, grad), 0.0
	values, want := n.values[param], make([]float64, len(got))
	for i, v := range values {
		values[i] = v + move
		up := n.eval(t, loss)[0]
		values[i] = v - move
		down := n.eval(t, loss)[0]
		values[i] = v
		want[i] = (up - down) / (2 * move)
		largest = max(largest, math.Abs(want[i]))
	}
	if largest < 1e-3 {
		t.Fatalf("the loss hardly depends on %v: the case tests nothing", param)
	}
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= 1e-6*largest) {
			t.Errorf("gradient of %v, element %d: %.9g, the slope is %.9g", param, i, got[i], want[i])
			return
		}
	}
}

func (n *network) eval(t *testing.T, node *graph.Node) []float64 {
	t.Helper()
	out, err := reference.Eval(t.Context(), &n.Graph, n.values, node)
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func TestEveryRuleHasACase(t *testing.T) {
	tested := map[graph.Op]bool{}
	for _, c := range gradientCases {
		tested[c.op] = true
	}
	if cases := slices.Sorted(maps.Keys(tested)); !slices.Equal(cases, graph.Rules()) {
		t.Errorf("gradient rules are %v, with cases in TestGrad are %v", graph.Rules(), cases)
	}
}

func TestGradOfWhatTheLossDoesNotReach(t *testing.T) {
	n := newNetwork()
	used, unused := n.param(4, 3), n.param(2)
	grads := n.Grad(n.NTXent(n.ReLU(used), 1), []*graph.Node{unused, used})
	if grads[0] != nil || grads[1] == nil {
		t.Errorf("gradients of an unused and a used parameter are %v", grads)
	}
}

// TestGradBuildsOnlyWhatIsNeeded: the gradient with respect to the images costs as much as a layer, and nobody wants it.
func TestGradBuildsOnlyWhatIsNeeded(t *testing.T) {
	n := newNetwork()
	image := n.Image("views", 4, 4, 4, [3]float64{}, [3]float64{1, 1, 1})
	w := n.param(2, 3, 3, 3)
	n.Grad(n.NTXent(n.pooled(n.Conv(image, w, 1, 1)), 1), []*graph.Node{w})
	for _, node := range n.Nodes {
		if node.Op == graph.OpConvGradInput {
			t.Errorf("the graph computes %v", node)
		}
	}
}

func TestGradRefuses(t *testing.T) {
	for _, c := range []struct {
		name, message string
		loss          func(n *network) *graph.Node
	}{
		{"what is no loss", "want a loss", func(n *network) *graph.Node { return n.Spread(n.param(4, 3)) }},
		{"an operation without a rule", "has no gradient", func(n *network) *graph.Node {
			return n.NTXent(n.Lerp(n.param(4, 3), n.param(4, 3), 0.5), 1)
		}},
		{"running moments", "must be those of its operand", func(n *network) *graph.Node {
			x := n.param(4, 3)
			return n.NTXent(n.Normalize(x, n.Stack(n.param(3), n.param(3)), n.param(3), nil, nil, false, 1), 1)
		}},
		{"the moments of something else", "must be those of its operand", func(n *network) *graph.Node {
			return n.NTXent(n.Normalize(n.param(4, 3), n.Moments(n.param(4, 3)), n.param(3), nil, nil, false, 1), 1)
		}},
		{"moments that are used otherwise", "has no gradient", func(n *network) *graph.Node {
			return n.NTXent(n.MatMul(n.param(4, 2), n.Moments(n.param(5, 3)), false, false), 1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork()
			loss := c.loss(n)
			wantPanic(t, c.message, func() { n.Grad(loss, n.params) })
		})
	}
}

// wantPanic checks that f panics as a graph that is built wrongly does.
func wantPanic(t *testing.T, message string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if r := fmt.Sprint(recover()); !strings.HasPrefix(r, "graph: ") || !strings.Contains(r, message) {
			t.Errorf("panic is %q, want graph: ...%s", r, message)
		}
	}()
	f()
}
