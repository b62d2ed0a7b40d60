package onnx

import "github.com/goclr/goclr/backends/graph"

func lowerReLU(l *lowerer, _ *graph.Node, in []value) value { return l.op("Relu", in) }

// lowerReLUGrad multiplies by 1 where y is positive. A hard sigmoid this steep is that mask, and takes a quarter of the
// time of Greater and Where.
func lowerReLUGrad(l *lowerer, _ *graph.Node, in []value) value {
	mask := l.op("HardSigmoid", in[:1], floatAttr("alpha", 3e38), floatAttr("beta", 0))
	return l.mul(in[1], mask)
}

func lowerMaxPool(l *lowerer, n *graph.Node, in []value) value {
	return l.op("MaxPool", in, pooling(n)...)
}

func pooling(n *graph.Node) []attribute {
	k, stride, pad := n.Attr.Kernel, n.Attr.Stride, n.Attr.Pad
	return []attribute{
		intsAttr("kernel_shape", k, k),
		intsAttr("strides", stride, stride),
		intsAttr("pads", pad, pad, pad, pad),
	}
}

// lowerMaxPoolGrad adds each dy to the element that MaxPool took, whose index in all of x is its second result. Pooling
// again costs less than it would to ask every MaxPool for indices.
func lowerMaxPoolGrad(l *lowerer, n *graph.Node, in []value) value {
	x, dy := in[0], in[2]
	taken := l.multi("MaxPool", 2, []value{x}, pooling(n)...)[1]
	zeros := l.op("ConstantOfShape", []value{l.ints(n.Size())})
	dx := l.op("ScatterElements", []value{zeros, l.reshape(taken, -1), l.reshape(dy, -1)},
		intAttr("axis", 0), strAttr("reduction", "add"))
	return l.reshape(dx, n.Shape...)
}

func lowerAvgPool(l *lowerer, _ *graph.Node, in []value) value {
	return l.reduce("ReduceMean", in[0], false, 2, 3)
}

func lowerAvgPoolGrad(l *lowerer, n *graph.Node, in []value) value {
	share := l.scale(in[0], 1/float64(n.Shape[2]*n.Shape[3]))
	share = l.reshape(share, n.Shape[0], n.Shape[1], 1, 1)
	return l.op("Expand", []value{share, l.ints(n.Shape...)})
}
