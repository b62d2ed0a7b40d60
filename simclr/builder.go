package simclr

import (
	"slices"

	"github.com/goclr/goclr/backends/graph"
)

// A Role says what a parameter does, which decides whether weight decay and LARS act on it. Names do not:
// torchvision's downsample.1.weight is a gamma.
type Role int

// The roles.
const (
	Weight Role = iota // of a convolution or dense layer
	Norm               // gamma or beta of batch normalisation
	Bias               // of a dense layer
)

const (
	normEps      = 1e-5
	statsUpdate  = 0.1 // how far one step moves the running statistics towards those of the batch
	imagesColumn = "views"
)

// A builder appends layers to a graph. Used twice, it builds the network for training and for evaluation over the same
// parameters.
type builder struct {
	g        *graph.Graph
	training bool
	params   []*param
	byName   map[string]*graph.Node
	updates  []graph.Update // of running statistics
	onesInit bool           // see Model.OnesInit
}

// A param is a tensor of the model with the rule that gives it its first value.
type param struct {
	node *graph.Node
	role Role
	init initializer
}

func newBuilder() *builder { return &builder{g: new(graph.Graph), byName: map[string]*graph.Node{}} }

func (b *builder) param(name string, role Role, init initializer, shape ...int) *graph.Node {
	return b.tensor(name, func() *graph.Node {
		n := b.g.Param(name, shape...)
		b.params = append(b.params, &param{n, role, init})
		return n
	})
}

func (b *builder) state(name string, init initializer, shape ...int) *graph.Node {
	return b.tensor(name, func() *graph.Node {
		n := b.g.State(name, shape...)
		b.params = append(b.params, &param{n, Norm, init})
		return n
	})
}

// trained returns the parameters that a step trains.
func (b *builder) trained() []*graph.Node {
	var nodes []*graph.Node
	for _, p := range b.params {
		if p.node.Op == graph.OpParam {
			nodes = append(nodes, p.node)
		}
	}
	return nodes
}

// find returns the parameter of a node.
func (b *builder) find(n *graph.Node) *param {
	return b.params[slices.IndexFunc(b.params, func(p *param) bool { return p.node == n })]
}

func (b *builder) tensor(name string, create func() *graph.Node) *graph.Node {
	if n, ok := b.byName[name]; ok {
		return n
	}
	n := create()
	b.byName[name] = n
	return n
}

// conv is a convolution without bias that keeps the size, divided by the stride.
func (b *builder) conv(name string, x *graph.Node, channels, k, stride int) *graph.Node {
	w := b.param(name+".weight", Weight, kaiming(channels*k*k), channels, x.Shape[1], k, k)
	return b.g.Conv(x, w, stride, (k-1)/2)
}

type normOptions struct {
	relu      bool
	add       *graph.Node // the shortcut
	zeroGamma bool        // start as if the block were its shortcut (Goyal et al. 2017)
	noBeta    bool
}

// norm is batch normalisation: by the batch in training, which also moves the running statistics, by those in evaluation.
func (b *builder) norm(name string, x *graph.Node, o normOptions) *graph.Node {
	c := x.Shape[1]
	first := ones
	if o.zeroGamma && !b.onesInit {
		first = zeros
	}
	gamma := b.param(name+".weight", Norm, first, c)
	var beta *graph.Node
	if !o.noBeta {
		beta = b.param(name+".bias", Norm, zeros, c)
	}
	mean := b.state(name+".running_mean", zeros, c)
	variance := b.state(name+".running_var", ones, c)
	if !b.training {
		return b.g.Normalize(x, b.g.Stack(mean, variance), gamma, beta, o.add, o.relu, normEps)
	}
	moments := b.g.Moments(x)
	n := float64(x.Size() / c)
	unbiased := b.g.Scale(b.g.Row(moments, 1), n/(n-1)) // as PyTorch stores it
	b.updates = append(b.updates,
		graph.Update{Target: mean, Value: b.g.Lerp(mean, b.g.Row(moments, 0), statsUpdate)},
		graph.Update{Target: variance, Value: b.g.Lerp(variance, unbiased, statsUpdate)})
	return b.g.Normalize(x, moments, gamma, beta, o.add, o.relu, normEps)
}
