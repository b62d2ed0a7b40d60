package onnx

import (
	"fmt"
	"slices"

	"github.com/goclr/goclr/backends/graph"
)

// A value is the name of a tensor inside a model; "" is an optional input left out.
type value string

// A builder collects the operations and constants of a model. Shapes are not tracked: ONNX Runtime infers them.
type builder struct {
	operations []operation
	constants  []constant
	known      map[constantKey]value
	made       map[value]string // results of operations, and the names of those that the model yields
	count      int
}

// A constantKey is the content of a constant; constants of the same content are one.
type constantKey struct {
	element    elementType
	shape, raw string
}

func newBuilder() *builder {
	return &builder{known: map[constantKey]value{}, made: map[value]string{}}
}

func (b *builder) fresh(kind string) value {
	b.count++
	return value(fmt.Sprintf("%s#%d", kind, b.count))
}

// op appends an operator with one output.
func (b *builder) op(op string, in []value, attributes ...attribute) value {
	return b.multi(op, 1, in, attributes...)[0]
}

// multi appends an operator with several outputs.
func (b *builder) multi(op string, outputs int, in []value, attributes ...attribute) []value {
	return b.append(operation{op: op, attributes: attributes}, outputs, in)
}

// own appends an operator of goclr; words go into its name, by which a trace tells it from others of its kind.
func (b *builder) own(op, words string, outputs int, in []value, attributes ...attribute) []value {
	name := fmt.Sprintf("%s %s #%d", op, words, b.count+1) // the number of its first result: ONNX Runtime takes no name twice
	return b.append(operation{domain: domain, op: op, name: name, attributes: attributes}, outputs, in)
}

func (b *builder) append(o operation, outputs int, in []value) []value {
	for _, v := range in {
		o.inputs = append(o.inputs, string(v))
	}
	out := make([]value, outputs)
	for i := range out {
		out[i] = b.fresh(o.op)
		o.outputs = append(o.outputs, string(out[i]))
		b.made[out[i]] = ""
	}
	b.operations = append(b.operations, o)
	return out
}

// name makes v an output of the model under the given name: the operation that makes it writes it there. A value that none makes,
// or that has a name already, is copied.
func (b *builder) name(v value, name string) {
	if named, ok := b.made[v]; ok && named == "" {
		b.made[v] = name
		return
	}
	b.operations = append(b.operations, operation{op: "Identity", inputs: []string{string(v)}, outputs: []string{name}})
}

// ints is a constant vector.
func (b *builder) ints(v ...int) value {
	return b.constant(int64Type, []int{len(v)}, rawInts(v))
}

// index is a constant integer scalar.
func (b *builder) index(i int) value { return b.constant(int64Type, nil, rawInts([]int{i})) }

// number is a constant of shape [1], which broadcasts to any other shape.
func (b *builder) number(v float64) value { return b.floats([]int{1}, float32(v)) }

// floats is a constant tensor; a single number fills it.
func (b *builder) floats(shape []int, v ...float32) value {
	if len(v) == 1 {
		v = slices.Repeat(v, graph.Size(shape))
	}
	return b.constant(float32Type, shape, rawFloats(v))
}

func (b *builder) constant(e elementType, shape []int, raw []byte) value {
	key := constantKey{e, fmt.Sprint(shape), string(raw)}
	if v, ok := b.known[key]; ok {
		return v
	}
	v := b.fresh("constant")
	b.constants = append(b.constants, constant{name: string(v), element: e, shape: slices.Clone(shape), raw: raw})
	b.known[key] = v
	return v
}

func (b *builder) add(x, y value) value { return b.op("Add", []value{x, y}) }
func (b *builder) sub(x, y value) value { return b.op("Sub", []value{x, y}) }
func (b *builder) mul(x, y value) value { return b.op("Mul", []value{x, y}) }
func (b *builder) div(x, y value) value { return b.op("Div", []value{x, y}) }

func (b *builder) scale(x value, factor float64) value { return b.mul(x, b.number(factor)) }

func (b *builder) reshape(x value, shape ...int) value {
	return b.op("Reshape", []value{x, b.ints(shape...)})
}

func (b *builder) transpose(x value, order ...int) value {
	return b.op("Transpose", []value{x}, intsAttr("perm", order...))
}

// reduce applies ReduceSum, ReduceMean or ReduceL2 over the given axes, which stay with length 1 if keep.
func (b *builder) reduce(op string, x value, keep bool, axes ...int) value {
	k := 0
	if keep {
		k = 1
	}
	return b.op(op, []value{x, b.ints(axes...)}, intAttr("keepdims", k))
}

// matMul is the product of two matrices, each transposed first if so asked.
func (b *builder) matMul(x, y value, transX, transY bool) value {
	var attributes []attribute
	if transX {
		attributes = append(attributes, intAttr("transA", 1))
	}
	if transY {
		attributes = append(attributes, intAttr("transB", 1))
	}
	return b.op("Gemm", []value{x, y}, attributes...)
}

// encode returns the model with the given inputs and outputs.
func (b *builder) encode(inputs, outputs []port) []byte {
	operations, constants := b.needed(outputs)
	return encodeModel(operations, constants, inputs, outputs)
}

// needed returns the operations and constants that some output needs: a lowering may append what only some models use.
func (b *builder) needed(outputs []port) ([]operation, []constant) {
	needed := map[string]bool{}
	for _, p := range outputs {
		needed[p.name] = true
	}
	var operations []operation
	for _, o := range slices.Backward(b.operations) {
		o.inputs, o.outputs = b.final(o.inputs), b.final(o.outputs)
		if !slices.ContainsFunc(o.outputs, func(name string) bool { return needed[name] }) {
			continue
		}
		for _, name := range o.inputs {
			needed[name] = true
		}
		operations = append(operations, o)
	}
	slices.Reverse(operations)
	constants := slices.Clone(b.constants)
	return operations, slices.DeleteFunc(constants, func(c constant) bool { return !needed[c.name] })
}

// final replaces the names of values that are outputs of the model.
func (b *builder) final(names []string) []string {
	out := slices.Clone(names)
	for i, name := range names {
		if output := b.made[value(name)]; output != "" {
			out[i] = output
		}
	}
	return out
}
