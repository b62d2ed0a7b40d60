package onnx

import (
	"fmt"
	"math"

	"github.com/goclr/goclr/backends/graph"
)

func lowerCount(l *lowerer, _ *graph.Node, in []value) value { return l.add(in[0], l.number(1)) }

func lowerAdamMean(l *lowerer, n *graph.Node, in []value) value {
	return l.average(in[0], l.decayed(in[2], in[1], n.Attr.Decay), n.Attr.Factor)
}

func lowerAdamSquare(l *lowerer, n *graph.Node, in []value) value {
	u := l.decayed(in[2], in[1], n.Attr.Decay)
	return l.average(in[0], l.mul(u, u), n.Attr.Factor)
}

// average is beta*old + (1-beta)*x.
func (l *lowerer) average(old, x value, beta float64) value {
	return l.add(l.scale(old, beta), l.scale(x, 1-beta))
}

func lowerAdamDescend(l *lowerer, n *graph.Node, in []value) value {
	p, m, v, rate, step, a := in[0], in[1], in[2], in[3], n.In[4], n.Attr
	m = l.mul(m, l.div(rate, l.shareSeen(step, a.Beta1)))
	v = l.op("Sqrt", []value{l.div(v, l.shareSeen(step, a.Beta2))})
	return l.sub(p, l.div(m, l.add(v, l.number(a.Eps))))
}

// shareSeen is 1 - beta^step, what a moving average has taken of what it averages. A power so near 1 would lose half of its
// digits in the difference; with h = tanh(step*log(1/beta)/2) the same is 2h/(1+h).
func (l *lowerer) shareSeen(step *graph.Node, beta float64) value {
	return l.derive(fmt.Sprintf("share seen with beta %g", beta), step, nil, func() value {
		if beta == 0 {
			return l.number(1)
		}
		h := l.op("Tanh", []value{l.scale(l.values[step], -math.Log(beta)/2)})
		return l.div(l.scale(h, 2), l.add(h, l.number(1)))
	})
}
