package onnx

import (
	"fmt"
	"math"

	"github.com/goclr/goclr/backends/graph"
)

// rowLengths is max(length, eps) of each row of x, shape [N, 1].
func (l *lowerer) rowLengths(x *graph.Node, eps float64) value {
	return l.derive("length", x, nil, func() value {
		length := l.reduce("ReduceL2", l.value(x), true, 1)
		return l.op("Max", []value{length, l.number(eps)})
	})
}

func lowerL2Normalize(l *lowerer, n *graph.Node, in []value) value {
	return l.div(in[0], l.rowLengths(n.In[0], n.Attr.Eps))
}

func lowerL2NormalizeGrad(l *lowerer, n *graph.Node, in []value) value {
	y, dy := in[1], in[2]
	along := l.reduce("ReduceSum", l.mul(y, dy), true, 1)
	return l.div(l.sub(dy, l.mul(y, along)), l.rowLengths(n.In[0], n.Attr.Eps))
}

// never is far below any similarity and has no effect in a maximum or softmax.
const never = -1e30

// similarities is z times its transpose, with never on the diagonal.
func (l *lowerer) similarities(z *graph.Node) value {
	return l.derive("similarities", z, nil, func() value {
		s := l.matMul(l.value(z), l.value(z), false, true)
		return l.add(s, l.scale(l.op("EyeLike", []value{s}), never))
	})
}

// positives is the index of each row's positive, shape [N].
func (l *lowerer) positives(z *graph.Node) value {
	index := make([]int, z.Shape[0])
	for i := range index {
		index[i] = i ^ 1
	}
	return l.ints(index...)
}

// ofPositives picks from each row of s [N, N] that of its positive, shape [N, 1].
func (l *lowerer) ofPositives(s value, z *graph.Node) value {
	column := l.reshape(l.positives(z), z.Shape[0], 1)
	return l.op("GatherElements", []value{s, column}, intAttr("axis", 1))
}

// logProbabilities is the logarithm of the softmax of each row's similarities.
func (l *lowerer) logProbabilities(z *graph.Node, temperature float64) value {
	return l.derive(fmt.Sprintf("log probabilities at %g", temperature), z, nil, func() value {
		return l.op("LogSoftmax", []value{l.scale(l.similarities(z), 1/temperature)}, intAttr("axis", 1))
	})
}

func lowerNTXent(l *lowerer, n *graph.Node, _ []value) value {
	z := n.In[0]
	log := l.ofPositives(l.logProbabilities(z, n.Attr.Temperature), z)
	return l.op("Neg", []value{l.reduce("ReduceMean", l.reshape(log, -1), true, 0)})
}

// lowerNTXentGrad: with P the softmax of the similarities and Q the permutation that swaps the views of each pair, the
// gradient is (P + transposed P - 2Q) z / (N*temperature), as Q is its own transpose.
func lowerNTXentGrad(l *lowerer, n *graph.Node, in []value) value {
	z := n.In[0]
	p := l.op("Exp", []value{l.logProbabilities(z, n.Attr.Temperature)})
	push := l.add(l.matMul(p, in[0], false, false), l.matMul(p, in[0], true, false))
	pull := l.scale(l.op("Gather", []value{in[0], l.positives(z)}, intAttr("axis", 0)), 2)
	return l.scale(l.sub(push, pull), 1/(float64(z.Shape[0])*n.Attr.Temperature))
}

// lowerPairAccuracy counts a row whose positive is as near as the nearest other row.
func lowerPairAccuracy(l *lowerer, n *graph.Node, _ []value) value {
	z := n.In[0]
	s := l.similarities(z)
	nearest := l.op("ReduceMax", []value{s, l.ints(1)}, intAttr("keepdims", 1))
	hit := l.op("GreaterOrEqual", []value{l.ofPositives(s, z), nearest})
	hit = l.op("Cast", []value{hit}, intAttr("to", int(float32Type)))
	return l.reduce("ReduceMean", l.reshape(hit, -1), true, 0)
}

func lowerSpread(l *lowerer, n *graph.Node, in []value) value {
	z := n.In[0]
	d := l.centered(z)
	deviation := l.op("Sqrt", []value{l.channelMean(l.mul(d, d), z)})
	return l.scale(l.reduce("ReduceMean", deviation, true, 0), math.Sqrt(float64(z.Shape[1])))
}
