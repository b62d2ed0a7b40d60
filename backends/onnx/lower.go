package onnx

import (
	"fmt"
	"slices"

	"github.com/goclr/goclr/backends/graph"
)

// A lowering appends the operators that compute a node from the values of its operands.
type lowering func(l *lowerer, n *graph.Node, in []value) value

// A lowerer turns nodes of a graph into operators.
type lowerer struct {
	*builder
	values  map[*graph.Node]value    // as row-major tensors
	blocks  map[*graph.Node]value    // as blocked ones, see blocked.go
	rows    map[*graph.Node][2]value // of nodes [2, C]: their rows, which are mostly used one by one
	derived map[derivation]value
	users   map[*graph.Node][]*graph.Node
}

func newLowerer() *lowerer {
	return &lowerer{
		builder: newBuilder(),
		values:  map[*graph.Node]value{},
		blocks:  map[*graph.Node]value{},
		rows:    map[*graph.Node][2]value{},
		derived: map[derivation]value{},
		users:   map[*graph.Node][]*graph.Node{},
	}
}

// A derivation is a value that several operations of one node need.
type derivation struct {
	what        string
	node, other *graph.Node
}

// derive returns the value of that name, computing it the first time.
func (l *lowerer) derive(what string, node, other *graph.Node, compute func() value) value {
	key := derivation{what, node, other}
	v, ok := l.derived[key]
	if !ok {
		v = compute()
		l.derived[key] = v
	}
	return v
}

// value is a node as a row-major tensor.
func (l *lowerer) value(n *graph.Node) value {
	v, ok := l.values[n]
	if !ok {
		v = l.unblock(n)
		l.values[n] = v
	}
	return v
}

// standard lowers to operators of the ONNX standard only.
var standard = map[graph.Op]lowering{
	graph.OpConv:           lowerConv,
	graph.OpConvGradInput:  lowerConvGradInput,
	graph.OpConvGradFilter: lowerConvGradFilter,

	graph.OpMoments:             lowerMoments,
	graph.OpNormalize:           lowerNormalize,
	graph.OpNormalizeGradInput:  lowerNormalizeGradInput,
	graph.OpNormalizeGradParams: lowerNormalizeGradParams,

	graph.OpReLU:        lowerReLU,
	graph.OpReLUGrad:    lowerReLUGrad,
	graph.OpMaxPool:     lowerMaxPool,
	graph.OpMaxPoolGrad: lowerMaxPoolGrad,
	graph.OpAvgPool:     lowerAvgPool,
	graph.OpAvgPoolGrad: lowerAvgPoolGrad,

	graph.OpMatMul:  lowerMatMul,
	graph.OpAddBias: lowerAdd,
	graph.OpSumRows: lowerSumRows,

	graph.OpL2Normalize:     lowerL2Normalize,
	graph.OpL2NormalizeGrad: lowerL2NormalizeGrad,
	graph.OpNTXent:          lowerNTXent,
	graph.OpNTXentGrad:      lowerNTXentGrad,
	graph.OpNTLogistic:      lowerNTLogistic,
	graph.OpNTLogisticGrad:  lowerNTLogisticGrad,
	graph.OpTriplet:         lowerTriplet,
	graph.OpTripletGrad:     lowerTripletGrad,
	graph.OpPairAccuracy:    lowerPairAccuracy,
	graph.OpSpread:          lowerSpread,

	graph.OpCrossEntropy:     lowerCrossEntropy,
	graph.OpCrossEntropyGrad: lowerCrossEntropyGrad,
	graph.OpLabelAccuracy:    lowerLabelAccuracy,

	graph.OpAdd:   lowerAdd,
	graph.OpScale: lowerScale,
	graph.OpLerp:  lowerLerp,
	graph.OpRow:   lowerRow,
	graph.OpStack: lowerStack,

	graph.OpVelocity:     lowerVelocity,
	graph.OpLARSVelocity: lowerLARSVelocity,
	graph.OpDescend:      lowerDescend,
	graph.OpCount:        lowerCount,
	graph.OpAdamMean:     lowerAdamMean,
	graph.OpAdamSquare:   lowerAdamSquare,
	graph.OpAdamDescend:  lowerAdamDescend,
}

// A model is an encoded ONNX model with the nodes that it takes and yields.
type model struct {
	encoded []byte
	image   *graph.Node   // the views; nil if the model needs none
	labels  *graph.Node   // nil if the model needs none
	given   []*graph.Node // results of operations that it takes instead of computing them
	rate    *graph.Node   // nil if the model needs none
	tensors []*graph.Node // Param, State and Slot nodes
	outputs []*graph.Node
}

// The names of a model's inputs and outputs. Operators' results have a # in their names, so neither can meet one of
// those.
func inputName(n *graph.Node) string { return "in:" + n.Name }
func givenName(i int) string         { return fmt.Sprintf("given:%d", i) }
func outputName(i int) string        { return fmt.Sprintf("out:%d", i) }

// lower makes the model that computes the given nodes. With free rows the model takes any number of images: that is for
// evaluation, where each row of the result depends on its own image only.
func lower(g *graph.Graph, outputs []*graph.Node, freeRows bool, how settings) (*model, error) {
	m, err := lowerFrom(g, nil, outputs, freeRows, how)
	if err == nil && m.image == nil {
		return nil, fmt.Errorf("%v depends on no image", outputs[0])
	}
	return m, err
}

// lowerFrom is lower where the values of some nodes are given, and the model need not take an image.
func lowerFrom(g *graph.Graph, given, outputs []*graph.Node, freeRows bool, how settings) (*model, error) {
	l := newLowerer()
	table := how.provider.table()
	m := &model{outputs: outputs, given: given}
	var in, out []port
	names := map[string]bool{}
	for i, n := range given {
		in = append(in, port{givenName(i), float32Type, tensorShape(n)})
		l.values[n] = value(givenName(i))
	}
	nodes := slices.DeleteFunc(g.ReachFrom(given, outputs...), func(n *graph.Node) bool { return slices.Contains(given, n) })
	for _, n := range nodes {
		for _, operand := range n.In {
			l.users[operand] = append(l.users[operand], n)
		}
	}
	for _, n := range nodes {
		switch n.Op {
		case graph.OpImage:
			if m.image != nil {
				return nil, fmt.Errorf("%v: the step has another image, %v, and a model takes one", n, m.image)
			}
			if n.Name != "views" {
				return nil, fmt.Errorf("%v: this backend reads images from the column views only", n)
			}
			m.image = n
			shape := []int{n.Shape[0], n.Shape[2], n.Shape[3], n.Shape[1]}
			if freeRows {
				shape[0] = anyRows
			}
			in = append(in, port{inputName(n), uint8Type, shape})
			l.values[n] = l.image(n, value(inputName(n)))
		case graph.OpLabels:
			if m.labels != nil {
				return nil, fmt.Errorf("%v: the step has other labels, %v, and a model takes one vector of them", n, m.labels)
			}
			m.labels = n
			in = append(in, port{inputName(n), int64Type, n.Shape})
			l.values[n] = value(inputName(n))
		case graph.OpRate:
			if m.rate == nil {
				m.rate = n
				in = append(in, port{inputName(n), float32Type, tensorShape(n)})
			}
			l.values[n] = value(inputName(n))
		case graph.OpParam, graph.OpState, graph.OpSlot:
			if names[n.Name] {
				return nil, fmt.Errorf("%v: the step has two tensors of this name", n)
			}
			names[n.Name] = true
			m.tensors = append(m.tensors, n)
			in = append(in, port{inputName(n), float32Type, tensorShape(n)})
			l.values[n] = value(inputName(n))
		default:
			if how.own && l.blocked(n) {
				continue
			}
			if err := l.apply(table, n); err != nil {
				return nil, err
			}
		}
	}
	for i, n := range outputs {
		shape := tensorShape(n)
		if freeRows {
			shape = append([]int{anyRows}, shape[1:]...)
		}
		out = append(out, port{outputName(i), float32Type, shape})
		l.name(l.value(n), outputName(i))
	}
	m.encoded = l.encode(in, out)
	return m, nil
}

// apply computes n by its rule in the table.
func (l *lowerer) apply(table map[graph.Op]lowering, n *graph.Node) error {
	rule, ok := table[n.Op]
	if !ok {
		return fmt.Errorf("%v is no operation that this backend knows", n)
	}
	l.values[n] = rule(l, n, l.operands(n))
	return nil
}

func (l *lowerer) operands(n *graph.Node) []value {
	in := make([]value, len(n.In))
	for i, operand := range n.In {
		if operand != nil {
			in[i] = l.value(operand)
		}
	}
	return in
}

// tensorShape is the shape of a node inside a model: that of the node, and [1] for a scalar.
func tensorShape(n *graph.Node) []int {
	if len(n.Shape) == 0 {
		return []int{1}
	}
	return n.Shape
}
