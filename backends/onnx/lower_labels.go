package onnx

import "github.com/goclr/goclr/backends/graph"

// logSoftmax is the logarithm of the softmax of each row of x.
func (l *lowerer) logSoftmax(x *graph.Node) value {
	return l.derive("log softmax", x, nil, func() value {
		return l.op("LogSoftmax", []value{l.values[x]}, intAttr("axis", 1))
	})
}

// labelColumn is the labels of the rows of logits, shape [N, 1].
func (l *lowerer) labelColumn(labels value, logits *graph.Node) value {
	return l.reshape(labels, logits.Shape[0], 1)
}

func lowerCrossEntropy(l *lowerer, n *graph.Node, in []value) value {
	logits := n.In[0]
	log := l.op("GatherElements", []value{l.logSoftmax(logits), l.labelColumn(in[1], logits)}, intAttr("axis", 1))
	return l.op("Neg", []value{l.reduce("ReduceMean", l.reshape(log, -1), true, 0)})
}

func lowerCrossEntropyGrad(l *lowerer, n *graph.Node, in []value) value {
	logits := n.In[0]
	classes := make([]int, logits.Shape[1])
	for i := range classes {
		classes[i] = i
	}
	right := l.equal(l.labelColumn(in[1], logits), l.ints(classes...))
	p := l.op("Exp", []value{l.logSoftmax(logits)})
	return l.scale(l.sub(p, right), 1/float64(logits.Shape[0]))
}

func lowerLabelAccuracy(l *lowerer, _ *graph.Node, in []value) value {
	largest := l.op("ArgMax", in[:1], intAttr("axis", 1), intAttr("keepdims", 0))
	return l.reduce("ReduceMean", l.equal(largest, in[1]), true, 0)
}

// equal is 1 where two integers are equal and 0 elsewhere.
func (l *lowerer) equal(x, y value) value {
	return l.op("Cast", []value{l.op("Equal", []value{x, y})}, intAttr("to", int(float32Type)))
}
