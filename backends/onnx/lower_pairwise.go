package onnx

import "github.com/goclr/goclr/backends/graph"

// swapViews gives each row of v [N, F] that of the other view of its pair.
func (l *lowerer) swapViews(v value, z *graph.Node) value {
	return l.op("Gather", []value{v, l.positives(z)}, intAttr("axis", 0))
}

// ofPositive is the similarity of each view with its positive, shape [N, 1].
func (l *lowerer) ofPositive(z *graph.Node) value {
	return l.derive("of positive", z, nil, func() value { return l.ofPositives(l.similarities(z), z) })
}

// negatives is the similarity [N, N] of each view with the negatives that it is compared with, and never elsewhere; a view has
// count of them.
func (l *lowerer) negatives(z *graph.Node, semiHard bool) (s value, count int) {
	if semiHard {
		return l.derive("semi-hard negatives", z, nil, func() value { return l.semiHardNegatives(z) }), 1
	}
	return l.allNegatives(z), z.Shape[0] - 2
}

func (l *lowerer) allNegatives(z *graph.Node) value {
	return l.derive("negatives", z, nil, func() value {
		s := l.similarities(z)
		pairs := l.swapViews(l.op("EyeLike", []value{s}), z)
		return l.add(s, l.scale(pairs, never))
	})
}

// semiHardNegatives scatters the nearest of the farther ones into rows of never. A row without one has never for its nearest.
func (l *lowerer) semiHardNegatives(z *graph.Node) value {
	all, rows := l.allNegatives(z), z.Shape[0]
	none := l.op("Expand", []value{l.number(never), l.ints(rows, rows)})
	farther := l.op("Where", []value{l.op("Less", []value{all, l.ofPositive(z)}), all, none})
	nearest := l.op("ReduceMax", []value{farther, l.ints(1)}, intAttr("keepdims", 1))
	at := l.op("ArgMax", []value{farther}, intAttr("axis", 1), intAttr("keepdims", 1))
	return l.op("ScatterElements", []value{none, at, nearest}, intAttr("axis", 1))
}

// pairwiseLoss is the mean over views of (positive + sum of negative/count), of shapes [N, 1] and [N, N].
func (l *lowerer) pairwiseLoss(positive, negative value, count int) value {
	perView := l.scale(l.reduce("ReduceSum", negative, true, 1), 1/float64(count))
	if positive != "" {
		perView = l.add(positive, perView)
	}
	return l.reduce("ReduceMean", l.reshape(perView, -1), true, 0)
}

// pairwiseGrad is the gradient of z, scaled by factor, given those of similarities: of the negatives [N, N], and of the positive
// [N, 1] with the sign turned. A similarity pulls on both of its rows.
func (l *lowerer) pairwiseGrad(z *graph.Node, positive, negative value, factor float64) value {
	v := l.values[z]
	push := l.add(l.matMul(negative, v, false, false), l.matMul(negative, v, true, false))
	pull := l.mul(l.add(positive, l.swapViews(positive, z)), l.swapViews(v, z))
	return l.scale(l.sub(push, pull), factor)
}

func lowerNTLogistic(l *lowerer, n *graph.Node, _ []value) value {
	z, inverse := n.In[0], 1/n.Attr.Temperature
	s, count := l.negatives(z, n.Attr.SemiHard)
	softplus := func(x value) value { return l.op("Softplus", []value{x}) }
	return l.pairwiseLoss(softplus(l.scale(l.ofPositive(z), -inverse)), softplus(l.scale(s, inverse)), count)
}

func lowerNTLogisticGrad(l *lowerer, n *graph.Node, _ []value) value {
	z, inverse := n.In[0], 1/n.Attr.Temperature
	s, count := l.negatives(z, n.Attr.SemiHard)
	negative := l.scale(l.logistic(l.scale(s, -inverse)), 1/float64(count))
	return l.pairwiseGrad(z, l.logistic(l.scale(l.ofPositive(z), inverse)), negative, inverse/float64(z.Shape[0]))
}

// logistic is 1/(1+exp(x)). The operator Sigmoid is exact to 1e-7 only, and not 0 for what is never to count.
func (l *lowerer) logistic(x value) value {
	return l.op("Reciprocal", []value{l.add(l.op("Exp", []value{x}), l.number(1))})
}

// excess is what each negative lacks to be farther than the positive by the margin, shape [N, N].
func (l *lowerer) excess(n *graph.Node) (excess value, count int) {
	z := n.In[0]
	s, count := l.negatives(z, n.Attr.SemiHard)
	return l.sub(s, l.sub(l.ofPositive(z), l.number(n.Attr.Margin))), count
}

func lowerTriplet(l *lowerer, n *graph.Node, _ []value) value {
	excess, count := l.excess(n)
	return l.pairwiseLoss("", l.op("Relu", []value{excess}), count)
}

func lowerTripletGrad(l *lowerer, n *graph.Node, _ []value) value {
	excess, count := l.excess(n)
	counts := l.op("Greater", []value{excess, l.number(0)})
	negative := l.op("Cast", []value{counts}, intAttr("to", int(float32Type)))
	positive := l.reduce("ReduceSum", negative, true, 1)
	return l.pairwiseGrad(n.In[0], positive, negative, 1/float64(n.Shape[0]*count))
}
