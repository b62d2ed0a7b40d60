package onnx

import (
	"maps"

	"github.com/goclr/goclr/backends/graph"
)

// portable lowers to operators of the standard as any execution provider computes them: standard has a trick that OpenVINO 2025.4
// gets wrong.
var portable = func() map[graph.Op]lowering {
	table := maps.Clone(standard)
	table[graph.OpReLUGrad] = lowerReLUGradByMask
	return table
}()

// lowerReLUGradByMask multiplies by 1 where y is positive.
func lowerReLUGradByMask(l *lowerer, _ *graph.Node, in []value) value {
	positive := l.op("Greater", []value{in[0], l.number(0)})
	return l.mul(in[1], l.op("Cast", []value{positive}, intAttr("to", int(float32Type))))
}
