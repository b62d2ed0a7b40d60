package backendtest

import (
	"math"
	"slices"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// The sizes of the network and of its batches.
const (
	batchSize = 6 // pairs of a training step
	evalRows  = 8 // images of an evaluation
	height    = 11
	width     = 8
	channels  = 4
	rate      = 0.25 // learning rate of the tests

	temperature = 0.2
)

// A network is a small ResNet with projection head and all optimisers: each operation of real training occurs in it, but for the
// other losses.
type network struct {
	*builder
	parameters []*graph.Node
	updates    []graph.Update
	training   bool // Normalize takes the moments of the batch, and the running ones are updated
	named      map[string]*graph.Node
}

// newNetwork returns the step and its initial weights. Evaluation and training share the weights.
func newNetwork(seed uint64) (*graph.Step, backends.Weights, *network) {
	n := &network{builder: newBuilder(seed), named: map[string]*graph.Node{}}
	mean, std := [3]float64{0.5, 0.5, 0.5}, [3]float64{0.25, 0.25, 0.25}
	s := &graph.Step{Graph: &n.Graph}
	s.Features = n.encode(n.Image("views", evalRows, height, width, mean, std))

	n.training = true
	s.Project = n.project(n.encode(n.Image("views", 2*batchSize, height, width, mean, std)))
	s.Loss = n.NTXent(s.Project, temperature)
	s.Accuracy, s.Spread = n.PairAccuracy(s.Project), n.Spread(s.Project)
	lr, steps := n.Rate(), n.Slot("optimizer/step")
	step := n.Count(steps)
	n.updates = append(n.updates, graph.Update{Target: steps, Value: step})
	s.Differentiate(n.parameters)
	for _, gradient := range s.Gradients {
		p, g := gradient.Param, gradient.Value
		v := n.Slot("momentum/"+p.Name, p.Shape...)
		var velocity, next *graph.Node
		switch {
		case len(p.Shape) > 1:
			velocity = n.LARSVelocity(v, p, g, lr, 0.9, 1e-4, 0.1)
			next = n.Descend(p, velocity, nil)
		case p.Name == biasName:
			before := n.Slot("square/"+p.Name, p.Shape...)
			velocity = n.AdamMean(v, p, g, 0.9, 1e-4)
			square := n.AdamSquare(before, p, g, 0.99, 1e-4)
			next = n.AdamDescend(p, velocity, square, n.Scale(lr, 0.1), step, 0.9, 0.99, 1e-8)
			n.updates = append(n.updates, graph.Update{Target: before, Value: square})
		default:
			velocity = n.Velocity(v, p, g, 0.9, 1e-4)
			next = n.Descend(p, velocity, lr)
		}
		n.updates = append(n.updates, graph.Update{Target: p, Value: next}, graph.Update{Target: v, Value: velocity})
	}
	s.Updates = n.updates
	return s, n.weights, n
}

// biasName is the parameter that Adam updates; the others are left to LARS and SGD.
const biasName = "head.3.bias"

// encode is the encoder: a first layer as for large images, one block that halves the image, the mean over it.
func (n *network) encode(x *graph.Node) *graph.Node {
	x = n.normalize("bn1", n.conv("conv1", x, channels, 3, 1), true, nil, true)
	x = n.MaxPool(x, 3, 2, 1)
	shortcut := n.normalize("downsample.1", n.conv("downsample.0", x, 2*channels, 1, 2), true, nil, false)
	y := n.normalize("block.bn1", n.conv("block.conv1", x, 2*channels, 3, 2), true, nil, true)
	y = n.normalize("block.bn2", n.conv("block.conv2", y, 2*channels, 3, 1), true, shortcut, true)
	return n.AvgPool(y)
}

// project is the projection head: two layers, the last normalised without beta. Its bias comes after that, because the
// gradient of one before is zero but for rounding errors, which nothing can be compared with.
func (n *network) project(x *graph.Node) *graph.Node {
	features := x.Shape[1]
	x = n.MatMul(x, n.parameter("head.0.weight", features, features), false, true)
	x = n.normalize("head.1", x, true, nil, true)
	x = n.MatMul(x, n.parameter("head.2.weight", 5, features), false, true)
	x = n.normalize("head.3", x, false, nil, false)
	return n.L2Normalize(n.AddBias(x, n.parameter(biasName, 5)))
}

func (n *network) conv(name string, x *graph.Node, filters, k, stride int) *graph.Node {
	return n.Conv(x, n.parameter(name+".weight", filters, x.Shape[1], k, k), stride, k/2)
}

func (n *network) normalize(name string, x *graph.Node, hasBeta bool, add *graph.Node, relu bool) *graph.Node {
	c := x.Shape[1]
	gamma := n.parameter(name+".weight", c)
	var beta *graph.Node
	if hasBeta {
		beta = n.parameter(name+".bias", c)
	}
	state := func(name string) *graph.Node { return n.State(name, c) }
	mean := n.share(name+".running_mean", state, n.random.NormFloat64)
	variance := n.share(name+".running_var", state, func() float64 { return 0.5 + n.random.Float64() })
	moments := n.Stack(mean, variance)
	if n.training {
		moments = n.Moments(x)
		count := float64(x.Size() / c)
		unbiased := n.Scale(n.Row(moments, 1), count/(count-1))
		n.updates = append(n.updates,
			graph.Update{Target: mean, Value: n.Lerp(mean, n.Row(moments, 0), 0.1)},
			graph.Update{Target: variance, Value: n.Lerp(variance, unbiased, 0.1)})
	}
	return n.Normalize(x, moments, gamma, beta, add, relu, 1e-5)
}

// parameter returns the Param of that name, the same for training and evaluation.
func (n *network) parameter(name string, shape ...int) *graph.Node {
	before := len(n.named)
	draw := func() float64 { return 1 + 0.3*n.random.NormFloat64() }
	if len(shape) > 1 {
		deviation := math.Sqrt(2 / float64(graph.Size(shape[1:])))
		draw = func() float64 { return deviation * n.random.NormFloat64() }
	}
	p := n.share(name, func(name string) *graph.Node { return n.Param(name, shape...) }, draw)
	if len(n.named) > before {
		n.parameters = append(n.parameters, p)
	}
	return p
}

// share returns the tensor of that name, which it adds and fills at the first call.
func (n *network) share(name string, add func(name string) *graph.Node, draw func() float64) *graph.Node {
	if n.named[name] == nil {
		n.named[name] = n.hold(add(name), draw)
	}
	return n.named[name]
}

// gradientStep is the network's step with other updates: they keep the gradients, in tensors gradient/<parameter>.
func gradientStep(seed uint64) (*graph.Step, backends.Weights) {
	s, _, n := newNetwork(seed)
	s.Updates = nil
	for _, g := range s.Gradients {
		target := n.hold(n.State("gradient/"+g.Param.Name, g.Param.Shape...), func() float64 { return 0 })
		s.Updates = append(s.Updates, graph.Update{Target: target, Value: g.Value})
	}
	return s, n.weights
}

// with returns a copy of the weights in which one tensor is replaced; without leaves it out.
func with(w backends.Weights, t backends.Tensor) backends.Weights {
	return append(without(w, t.Name), t)
}

func without(w backends.Weights, name string) backends.Weights {
	return slices.DeleteFunc(slices.Clone(w), func(t backends.Tensor) bool { return t.Name == name })
}

// find returns the tensor of that name, which must be there.
func find(t *testing.T, w backends.Weights, name string) backends.Tensor {
	t.Helper()
	tensor, ok := w.Find(name)
	if !ok {
		t.Fatalf("there is no tensor %q", name)
	}
	return tensor
}
