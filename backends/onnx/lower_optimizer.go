package onnx

import "github.com/goclr/goclr/backends/graph"

// decayed is grad + decay*p.
func (l *lowerer) decayed(grad, p value, decay float64) value {
	if decay == 0 {
		return grad
	}
	return l.add(grad, l.scale(p, decay))
}

func lowerVelocity(l *lowerer, n *graph.Node, in []value) value {
	v, p, grad := in[0], in[1], in[2]
	return l.add(l.scale(v, n.Attr.Factor), l.decayed(grad, p, n.Attr.Decay))
}

func lowerLARSVelocity(l *lowerer, n *graph.Node, in []value) value {
	v, p, grad, rate := in[0], in[1], in[2], in[3]
	u := l.decayed(grad, p, n.Attr.Decay)
	ratio := l.number(1)
	if n.Attr.Trust > 0 {
		ratio = l.trustRatio(p, u, n.Attr.Trust)
	}
	return l.add(l.scale(v, n.Attr.Factor), l.mul(u, l.mul(rate, ratio)))
}

// trustRatio is trust*length(p)/length(u), or 1 if either length is 0.
func (l *lowerer) trustRatio(p, u value, trust float64) value {
	length := func(x value) value { return l.reduce("ReduceL2", l.reshape(x, -1), true, 0) }
	lengthP, lengthU := length(p), length(u)
	zero := l.number(0)
	both := l.op("And", []value{l.op("Greater", []value{lengthP, zero}), l.op("Greater", []value{lengthU, zero})})
	ratio := l.div(l.scale(lengthP, trust), lengthU)
	return l.op("Where", []value{both, ratio, l.number(1)})
}

func lowerDescend(l *lowerer, _ *graph.Node, in []value) value {
	p, v, rate := in[0], in[1], in[2]
	if rate != "" {
		v = l.mul(rate, v)
	}
	return l.sub(p, v)
}
