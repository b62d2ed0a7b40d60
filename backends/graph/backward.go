package graph

import "slices"

// ConvGradInput is the gradient of Conv(x, w) with respect to x, of shape inShape, given dy, that of the result.
func (g *Graph) ConvGradInput(dy, w *Node, inShape []int, stride, pad int) *Node {
	return g.add(OpConvGradInput, Attr{Kernel: w.Shape[2], Stride: stride, Pad: pad}, inShape, dy, w)
}

// ConvGradFilter is the gradient of Conv(x, w) with respect to w, of shape [O, C, k, k].
func (g *Graph) ConvGradFilter(x, dy *Node, k, stride, pad int) *Node {
	return g.add(OpConvGradFilter, Attr{Kernel: k, Stride: stride, Pad: pad}, []int{dy.Shape[1], x.Shape[1], k, k}, x, dy)
}

// NormalizeGradInput is the gradient of Normalize with respect to x where moments are those of x itself: with
// h = (x-mean)/sqrt(variance+eps) and means over N, H and W it is gamma/sqrt(variance+eps) * (dy - mean(dy) - h*mean(dy*h)).
// dy is the gradient before the ReLU, see ReLUGrad.
func (g *Graph) NormalizeGradInput(x, moments, gamma, dy *Node, eps float64) *Node {
	return g.add(OpNormalizeGradInput, Attr{Eps: eps}, x.Shape, x, moments, gamma, dy)
}

// NormalizeGradParams is the gradient of Normalize with respect to gamma (row 0: sum of dy*h) and beta (row 1: sum of dy),
// shape [2, C]; h and dy as in NormalizeGradInput.
func (g *Graph) NormalizeGradParams(x, moments, dy *Node, eps float64) *Node {
	return g.add(OpNormalizeGradParams, Attr{Eps: eps}, moments.Shape, x, moments, dy)
}

// ReLUGrad is dy where y > 0 and 0 elsewhere; y is the result of the ReLU.
func (g *Graph) ReLUGrad(y, dy *Node) *Node {
	check(slices.Equal(y.Shape, dy.Shape), "ReLUGrad of %v and %v", y, dy)
	return g.add(OpReLUGrad, Attr{}, y.Shape, y, dy)
}

// MaxPoolGrad is the gradient of y = MaxPool(x): each dy goes to the first maximum of its window.
func (g *Graph) MaxPoolGrad(x, y, dy *Node, k, stride, pad int) *Node {
	return g.add(OpMaxPoolGrad, Attr{Kernel: k, Stride: stride, Pad: pad}, x.Shape, x, y, dy)
}

// AvgPoolGrad is the gradient of AvgPool with respect to its operand of shape inShape: dy/(H*W) everywhere.
func (g *Graph) AvgPoolGrad(dy *Node, inShape []int) *Node {
	return g.add(OpAvgPoolGrad, Attr{}, inShape, dy)
}

// L2NormalizeGrad is the gradient of y = L2Normalize(x): (dy - y*dot(y, dy)) / max(length of x, 1e-12), row by row.
func (g *Graph) L2NormalizeGrad(x, y, dy *Node) *Node {
	return g.add(OpL2NormalizeGrad, Attr{Eps: 1e-12}, x.Shape, x, y, dy)
}

// NTXentGrad is the gradient of NTXent(z) with respect to z.
func (g *Graph) NTXentGrad(z *Node, temperature float64) *Node {
	return g.add(OpNTXentGrad, Attr{Temperature: temperature}, z.Shape, z)
}

// CrossEntropyGrad is the gradient of CrossEntropy with respect to logits: (softmax(row) - 1 at the label) / N, row by row.
func (g *Graph) CrossEntropyGrad(logits, labels *Node) *Node {
	return g.add(OpCrossEntropyGrad, Attr{}, logits.Shape, logits, labels)
}

// Velocity is the momentum of plain SGD: momentum*v + grad + decay*p.
func (g *Graph) Velocity(v, p, grad *Node, momentum, decay float64) *Node {
	check(slices.Equal(v.Shape, p.Shape) && slices.Equal(p.Shape, grad.Shape), "Velocity of %v, %v, %v", v, p, grad)
	return g.add(OpVelocity, Attr{Factor: momentum, Decay: decay}, p.Shape, v, p, grad)
}

// LARSVelocity is the momentum of LARS (You et al. 2017) as the reference implementation has it: with u = grad + decay*p,
// momentum*v + rate*r*u, where r = trust*length(p)/length(u), or 1 if either length is 0, or if trust is 0 (the exclusion of
// gammas, betas and biases from the adaptation).
func (g *Graph) LARSVelocity(v, p, grad, rate *Node, momentum, decay, trust float64) *Node {
	check(slices.Equal(v.Shape, p.Shape) && slices.Equal(p.Shape, grad.Shape), "LARSVelocity of %v, %v, %v", v, p, grad)
	return g.add(OpLARSVelocity, Attr{Factor: momentum, Decay: decay, Trust: trust}, p.Shape, v, p, grad, rate)
}

// Descend is p - rate*v; with rate nil it is p - v.
func (g *Graph) Descend(p, v, rate *Node) *Node {
	check(slices.Equal(v.Shape, p.Shape), "Descend of %v by %v", p, v)
	return g.add(OpDescend, Attr{}, p.Shape, p, v, rate)
}
