package graph

// Grad appends the nodes that compute the gradient of the scalar loss with respect to each of the given nodes, and returns
// them in the same order. A node that the loss does not depend on has a nil gradient. The loss must be one of the operations
// that end in a scalar with a gradient.
func (g *Graph) Grad(loss *Node, wrt []*Node) []*Node {
	begin, ok := losses[loss.Op]
	check(ok, "Grad of %v, want a loss", loss)
	needed := make([]bool, len(g.Nodes)) // depends on one of wrt, so a gradient is worth computing
	for _, n := range wrt {
		needed[n.ID] = true
	}
	for _, n := range g.Nodes {
		for _, in := range n.In {
			needed[n.ID] = needed[n.ID] || in != nil && needed[in.ID]
		}
	}
	t := tape{g: g, grads: make([]*Node, len(g.Nodes)), needed: needed}
	z := loss.In[0]
	t.accumulate(z, func() *Node { return begin(g, loss) })
	for i := z.ID; i >= 0; i-- {
		n := g.Nodes[i]
		if t.grads[i] == nil || len(n.In) == 0 {
			continue
		}
		rule, ok := rules[n.Op]
		check(ok, "%v has no gradient", n)
		rule(&t, n, t.grads[i])
	}
	out := make([]*Node, len(wrt))
	for i, n := range wrt {
		out[i] = t.grads[n.ID]
	}
	return out
}

// A tape collects the gradient of each node of the forward graph.
type tape struct {
	g      *Graph
	grads  []*Node
	needed []bool
}

// accumulate adds a contribution to the gradient of x. The contribution is only built if something depends on it.
func (t *tape) accumulate(x *Node, contribution func() *Node) {
	if x == nil || !t.needed[x.ID] {
		return
	}
	d := contribution()
	if sum := t.grads[x.ID]; sum != nil {
		d = t.g.Add(sum, d)
	}
	t.grads[x.ID] = d
}

// losses has one row for each loss: its gradient with respect to its first operand.
var losses = map[Op]func(g *Graph, loss *Node) *Node{
	OpNTXent:       func(g *Graph, loss *Node) *Node { return g.NTXentGrad(loss.In[0], loss.Attr.Temperature) },
	OpCrossEntropy: func(g *Graph, loss *Node) *Node { return g.CrossEntropyGrad(loss.In[0], loss.In[1]) },
}

// rules has one row for each operation that a loss may depend on: given node n and the gradient dy of its result, accumulate
// the gradients of its operands. Moments has none: the gradient through them is part of that of Normalize, and a loss that
// depends on them in another way is refused.
var rules = map[Op]func(t *tape, n, dy *Node){
	OpConv: func(t *tape, n, dy *Node) {
		x, w, a := n.In[0], n.In[1], n.Attr
		t.accumulate(w, func() *Node { return t.g.ConvGradFilter(x, dy, a.Kernel, a.Stride, a.Pad) })
		t.accumulate(x, func() *Node { return t.g.ConvGradInput(dy, w, x.Shape, a.Stride, a.Pad) })
	},
	OpNormalize: func(t *tape, n, dy *Node) {
		x, moments, gamma, beta, add := n.In[0], n.In[1], n.In[2], n.In[3], n.In[4]
		check(moments.Op == OpMoments && moments.In[0] == x, "gradient of %v: its moments must be those of its operand", n)
		if n.Attr.ReLU {
			dy = t.g.ReLUGrad(n, dy)
		}
		t.accumulate(add, func() *Node { return dy })
		params := t.g.NormalizeGradParams(x, moments, dy, n.Attr.Eps)
		t.accumulate(gamma, func() *Node { return t.g.Row(params, 0) })
		t.accumulate(beta, func() *Node { return t.g.Row(params, 1) })
		t.accumulate(x, func() *Node { return t.g.NormalizeGradInput(x, moments, gamma, dy, n.Attr.Eps) })
	},
	OpReLU: func(t *tape, n, dy *Node) {
		t.accumulate(n.In[0], func() *Node { return t.g.ReLUGrad(n, dy) })
	},
	OpMaxPool: func(t *tape, n, dy *Node) {
		t.accumulate(n.In[0], func() *Node {
			return t.g.MaxPoolGrad(n.In[0], n, dy, n.Attr.Kernel, n.Attr.Stride, n.Attr.Pad)
		})
	},
	OpAvgPool: func(t *tape, n, dy *Node) {
		t.accumulate(n.In[0], func() *Node { return t.g.AvgPoolGrad(dy, n.In[0].Shape) })
	},
	OpMatMul: func(t *tape, n, dy *Node) {
		a, b, ta, tb := n.In[0], n.In[1], n.Attr.TransA, n.Attr.TransB
		t.accumulate(a, func() *Node {
			if ta {
				return t.g.MatMul(b, dy, tb, true)
			}
			return t.g.MatMul(dy, b, false, !tb)
		})
		t.accumulate(b, func() *Node {
			if tb {
				return t.g.MatMul(dy, a, true, ta)
			}
			return t.g.MatMul(a, dy, !ta, false)
		})
	},
	OpAddBias: func(t *tape, n, dy *Node) {
		t.accumulate(n.In[0], func() *Node { return dy })
		t.accumulate(n.In[1], func() *Node { return t.g.SumRows(dy) })
	},
	OpAdd: func(t *tape, n, dy *Node) {
		t.accumulate(n.In[0], func() *Node { return dy })
		t.accumulate(n.In[1], func() *Node { return dy })
	},
	OpScale: func(t *tape, n, dy *Node) {
		t.accumulate(n.In[0], func() *Node { return t.g.Scale(dy, n.Attr.Factor) })
	},
	OpL2Normalize: func(t *tape, n, dy *Node) {
		t.accumulate(n.In[0], func() *Node { return t.g.L2NormalizeGrad(n.In[0], n, dy) })
	},
}
