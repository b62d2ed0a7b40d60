package onnx

import (
	"slices"

	"github.com/goclr/goclr/backends/graph"
)

// Everything here is memory-bound, so what counts is the number of passes over an activation. Activations are centred
// once, which the variance needs anyway, and both directions then work on the centred ones: that is accurate where a
// mean is far from zero, and the activation itself need not be kept for the backward pass.

// overPixels are the axes over which a channel is averaged, besides the first.
func overPixels(x *graph.Node) []int { return []int{0, 2, 3}[1 : len(x.Shape)-1] }

// channelMean is the mean of each channel of v, which has the shape of x: [C]. Pixels first, then images: the partial
// sums are short, which is accurate, and many, which is parallel.
func (l *lowerer) channelMean(v value, x *graph.Node) value {
	if axes := overPixels(x); len(axes) > 0 {
		v = l.reduce("ReduceMean", v, false, axes...)
	}
	return l.reduce("ReduceMean", v, false, 0)
}

// perChannel reshapes v [C] so that it broadcasts over x.
func (l *lowerer) perChannel(v value, x *graph.Node) value {
	if len(x.Shape) == 2 {
		return v
	}
	return l.reshape(v, 1, x.Shape[1], 1, 1)
}

// affine is v*scale + offset with scale and offset [C], v of the shape of x; "" is no offset.
func (l *lowerer) affine(v, scale, offset value, x *graph.Node) value {
	c := x.Shape[1]
	if len(x.Shape) == 4 && offset != "" {
		// One pass instead of two: normalisation by mean 0 and variance 1.
		zeros, ones := l.floats([]int{c}, 0), l.floats([]int{c}, 1)
		return l.op("BatchNormalization", []value{v, scale, offset, zeros, ones}, floatAttr("epsilon", 0))
	}
	v = l.mul(v, l.perChannel(scale, x))
	if offset != "" {
		v = l.add(v, l.perChannel(offset, x))
	}
	return v
}

// centered is x minus the mean of each channel.
func (l *lowerer) centered(x *graph.Node) value {
	return l.derive("centered", x, nil, func() value {
		return l.sub(l.value(x), l.perChannel(l.mean(x), x))
	})
}

// mean is the mean of each channel of x.
func (l *lowerer) mean(x *graph.Node) value {
	return l.derive("mean", x, nil, func() value { return l.channelMean(l.value(x), x) })
}

// covariance is the mean over each channel of centred x times dy.
func (l *lowerer) covariance(x, dy *graph.Node) value {
	return l.derive("covariance", x, dy, func() value {
		return l.channelMean(l.mul(l.centered(x), l.value(dy)), x)
	})
}

// inverseDeviation is 1/sqrt(variance+eps).
func (l *lowerer) inverseDeviation(variance value, eps float64) value {
	return l.op("Reciprocal", []value{l.op("Sqrt", []value{l.add(variance, l.number(eps))})})
}

func lowerMoments(l *lowerer, n *graph.Node, _ []value) value {
	x := n.In[0]
	d := l.centered(x)
	return l.stack(n, l.mean(x), l.channelMean(l.mul(d, d), x))
}

// image scales bytes [rows, H, W, 3] to the value of n.
func (l *lowerer) image(n *graph.Node, bytes value) value {
	x := l.op("Cast", []value{bytes}, intAttr("to", int(float32Type)))
	x = l.transpose(x, 0, 3, 1, 2)
	scale, offset := make([]float32, 3), make([]float32, 3)
	for c := range 3 {
		scale[c] = float32(1 / (255 * n.Attr.Std[c]))
		offset[c] = float32(-n.Attr.Mean[c] / n.Attr.Std[c])
	}
	return l.affine(x, l.floats([]int{3}, scale...), l.floats([]int{3}, offset...), n)
}

func lowerNormalize(l *lowerer, n *graph.Node, in []value) value {
	x, moments := n.In[0], n.In[1]
	gamma, beta, add := in[2], in[3], in[4]
	scale := l.mul(gamma, l.inverseDeviation(l.row(moments, 1), n.Attr.Eps))
	var y value
	switch {
	case moments.Op == graph.OpMoments && moments.In[0] == x:
		y = l.affine(l.centered(x), scale, beta, x)
	case moments.Op == graph.OpStack && len(x.Shape) == 4:
		y = l.batchNorm(in[0], gamma, beta, l.row(moments, 0), l.row(moments, 1), n)
	default:
		offset := l.mul(l.op("Neg", []value{l.row(moments, 0)}), scale)
		if beta != "" {
			offset = l.add(offset, beta)
		}
		y = l.affine(in[0], scale, offset, x)
	}
	if add != "" {
		y = l.add(y, add)
	}
	if n.Attr.ReLU {
		y = l.op("Relu", []value{y})
	}
	return y
}

// batchNorm is the operator of that name, which runtimes fuse with the convolution before it where statistics are constant; n
// is [N, C, H, W], "" is no beta.
func (l *lowerer) batchNorm(x, gamma, beta, mean, variance value, n *graph.Node) value {
	if beta == "" {
		beta = l.floats([]int{n.Shape[1]}, 0)
	}
	return l.op("BatchNormalization", []value{x, gamma, beta, mean, variance}, floatAttr("epsilon", n.Attr.Eps))
}

func lowerNormalizeGradInput(l *lowerer, n *graph.Node, in []value) value {
	x, moments, dy := n.In[0], n.In[1], n.In[3]
	inverse := l.inverseDeviation(l.row(moments, 1), n.Attr.Eps)
	scale := l.mul(in[2], inverse)
	// gamma*inverse * (dy - mean(dy) - centered*inverse^2*mean(dy*centered)), multiplied out to have one affine pass
	slope := l.mul(l.mul(scale, l.mul(inverse, inverse)), l.covariance(x, dy))
	offset := l.mul(scale, l.mean(dy))
	correction := l.affine(l.centered(x), slope, offset, x)
	return l.sub(l.affine(in[3], scale, "", x), correction)
}

func lowerNormalizeGradParams(l *lowerer, n *graph.Node, _ []value) value {
	x, moments, dy := n.In[0], n.In[1], n.In[2]
	count := float64(x.Size() / x.Shape[1])
	inverse := l.inverseDeviation(l.row(moments, 1), n.Attr.Eps)
	return l.stack(n, l.scale(l.mul(inverse, l.covariance(x, dy)), count), l.scale(l.mean(dy), count))
}

// stack makes the value of node n [2, C] of its rows and remembers them.
func (l *lowerer) stack(n *graph.Node, first, second value) value {
	l.rows[n] = [2]value{first, second}
	shape := slices.Concat([]int{1}, n.Shape[1:])
	return l.op("Concat", []value{l.reshape(first, shape...), l.reshape(second, shape...)}, intAttr("axis", 0))
}

// row is row i of node n.
func (l *lowerer) row(n *graph.Node, i int) value {
	if rows, ok := l.rows[n]; ok {
		return rows[i]
	}
	return l.op("Gather", []value{l.value(n), l.index(i)}, intAttr("axis", 0))
}

func lowerStack(l *lowerer, n *graph.Node, in []value) value { return l.stack(n, in[0], in[1]) }

func lowerRow(l *lowerer, n *graph.Node, _ []value) value { return l.row(n.In[0], n.Attr.Index) }
