package onnx

import "github.com/goclr/goclr/backends/graph"

func lowerMatMul(l *lowerer, n *graph.Node, in []value) value {
	return l.matMul(in[0], in[1], n.Attr.TransA, n.Attr.TransB)
}

func lowerSumRows(l *lowerer, _ *graph.Node, in []value) value {
	return l.reduce("ReduceSum", in[0], false, 0)
}

func lowerAdd(l *lowerer, _ *graph.Node, in []value) value { return l.add(in[0], in[1]) }

func lowerScale(l *lowerer, n *graph.Node, in []value) value { return l.scale(in[0], n.Attr.Factor) }

func lowerLerp(l *lowerer, n *graph.Node, in []value) value {
	return l.add(in[0], l.scale(l.sub(in[1], in[0]), n.Attr.Factor))
}
