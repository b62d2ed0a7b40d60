package reference

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/goclr/goclr/backends/graph"
)

// A kernel computes the result of node n from the values of its operands. The value of an operand left out is nil.
// out holds zeros, n.Size() of them.
type kernel func(n *graph.Node, in [][]float64, out []float64)

// kernels has one row for each operation but the leaves.
var kernels = map[graph.Op]kernel{
	graph.OpConv:           conv,
	graph.OpConvGradInput:  convGradInput,
	graph.OpConvGradFilter: convGradFilter,

	graph.OpMoments:             moments,
	graph.OpNormalize:           normalize,
	graph.OpNormalizeGradInput:  normalizeGradInput,
	graph.OpNormalizeGradParams: normalizeGradParams,

	graph.OpReLU:        relu,
	graph.OpReLUGrad:    reluGrad,
	graph.OpMaxPool:     maxPool,
	graph.OpMaxPoolGrad: maxPoolGrad,
	graph.OpAvgPool:     avgPool,
	graph.OpAvgPoolGrad: avgPoolGrad,

	graph.OpMatMul:  matMul,
	graph.OpAddBias: addBias,
	graph.OpSumRows: sumRows,

	graph.OpL2Normalize:     l2Normalize,
	graph.OpL2NormalizeGrad: l2NormalizeGrad,
	graph.OpNTXent:          ntXent,
	graph.OpNTXentGrad:      ntXentGrad,
	graph.OpNTLogistic:      ntLogistic,
	graph.OpNTLogisticGrad:  ntLogisticGrad,
	graph.OpTriplet:         triplet,
	graph.OpTripletGrad:     tripletGrad,
	graph.OpPairAccuracy:    pairAccuracy,
	graph.OpSpread:          spread,

	graph.OpCrossEntropy:     crossEntropy,
	graph.OpCrossEntropyGrad: crossEntropyGrad,
	graph.OpLabelAccuracy:    labelAccuracy,

	graph.OpAdd:   add,
	graph.OpScale: scale,
	graph.OpLerp:  lerp,
	graph.OpRow:   row,
	graph.OpStack: stack,

	graph.OpVelocity:     velocity,
	graph.OpLARSVelocity: larsVelocity,
	graph.OpDescend:      descend,
	graph.OpCount:        count,
	graph.OpAdamMean:     adamMean,
	graph.OpAdamSquare:   adamSquare,
	graph.OpAdamDescend:  adamDescend,
}

// leaf reports whether the value of n is given, not computed.
func leaf(n *graph.Node) bool {
	switch n.Op {
	case graph.OpImage, graph.OpLabels, graph.OpParam, graph.OpState, graph.OpSlot, graph.OpRate:
		return true
	}
	return false
}

// Eval returns the values of the given nodes of g, row-major, from those of the leaves that they depend on: Image,
// Labels, Param, State, Slot and Rate. Any other node that has a value among the leaves keeps it. Between two nodes it
// looks whether ctx is done. The leaves are only read.
func Eval(ctx context.Context, g *graph.Graph, leaves map[*graph.Node][]float64, outputs ...*graph.Node) ([][]float64, error) {
	values := maps.Clone(leaves)
	for _, n := range g.ReachFrom(slices.Collect(maps.Keys(leaves)), outputs...) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, given := leaves[n]; given || leaf(n) {
			if len(values[n]) != n.Size() {
				return nil, fmt.Errorf("%v has %d values, want %d", n, len(values[n]), n.Size())
			}
			continue
		}
		in := make([][]float64, len(n.In))
		for i, operand := range n.In {
			if operand != nil {
				in[i] = values[operand]
			}
		}
		out := make([]float64, n.Size())
		kernels[n.Op](n, in, out)
		values[n] = out
	}
	results := make([][]float64, len(outputs))
	for i, n := range outputs {
		results[i] = values[n]
	}
	return results, nil
}
