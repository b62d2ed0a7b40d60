package gorgonia

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// An edge is a node of Gorgonia's graph, and the value that it stands for.
type edge struct {
	node  *G.Node
	value *value
}

// A lowerer turns nodes of a graph.Graph into operators of a Gorgonia graph. Nodes [N, C, H, W] that operations on images make are
// in the device's own layout; one that is needed in the other layout too is arranged once.
type lowerer struct {
	device device.Device
	memory *arena
	given  map[*graph.Node]*value // values that are there when the tape starts
	target map[*graph.Node]*value // where results belong, if not in the arena
	kept   map[*graph.Node]bool   // nodes whose value is wanted when the tape has ended
	part   bool                   // the batch may be smaller than the image

	graph         *G.ExprGraph
	plain, images map[*graph.Node]*edge
	params        map[gradParams]*edge
	users         map[*graph.Node][]*graph.Node
	batched       map[*graph.Node]bool // depends on the image
	operators     []*operator
	run           *run
	err           error // the first one

	// What the tape reads, or nil.
	image, labels         *graph.Node
	pixels, classes, rate *edge
}

func newLowerer(d device.Device, memory *arena) *lowerer {
	return &lowerer{
		device: d, memory: memory, graph: G.NewGraph(), run: &run{},
		given: map[*graph.Node]*value{}, target: map[*graph.Node]*value{}, kept: map[*graph.Node]bool{},
		plain: map[*graph.Node]*edge{}, images: map[*graph.Node]*edge{}, params: map[gradParams]*edge{},
		users: map[*graph.Node][]*graph.Node{}, batched: map[*graph.Node]bool{},
	}
}

// lower adds the operators for nodes, which are listed in the order in which they can be computed.
func (l *lowerer) lower(nodes []*graph.Node) error {
	for _, n := range nodes {
		if _, ok := l.given[n]; ok {
			continue
		}
		l.batched[n] = n.Op == graph.OpImage
		for _, in := range n.In {
			if in != nil {
				l.users[in] = append(l.users[in], n)
				l.batched[n] = l.batched[n] || l.batched[in]
			}
		}
	}
	for _, n := range nodes {
		if l.lowerNode(n); l.err != nil {
			return fmt.Errorf("%v: %w", n, l.err)
		}
	}
	return nil
}

func (l *lowerer) lowerNode(n *graph.Node) {
	if v, ok := l.given[n]; ok {
		l.plain[n] = l.input(n.String(), v)
		return
	}
	switch n.Op {
	case graph.OpImage:
		if l.image != nil && l.image != n {
			l.err = fmt.Errorf("there is another image, %v", l.image)
			return
		}
		v := l.value(n, device.Pixels)
		v.scale = &n.Attr
		l.image, l.pixels = n, l.input(n.String(), v)
	case graph.OpLabels:
		if l.labels != nil {
			l.err = fmt.Errorf("there are other labels, %v", l.labels)
			return
		}
		l.labels, l.classes = n, l.input(n.String(), l.value(n, device.Classes))
		l.plain[n] = l.classes
	case graph.OpRate:
		if l.rate == nil {
			l.rate = l.input(n.String(), l.value(n, device.Plain))
		}
		l.plain[n] = l.rate // there may be several nodes of the one rate
	case graph.OpNormalizeGradParams:
		l.gradParams(n, n.In[0], n.In[1], n.In[2])
	case graph.OpNormalizeGradInput:
		l.gradInput(n)
	case graph.OpReLUGrad:
		if !l.fuses(n) {
			l.emitNode(n)
		}
	default:
		l.emitNode(n)
	}
}

// makesImages are the operations whose result is in the device's layout where it has four dimensions.
var makesImages = map[graph.Op]bool{
	graph.OpConv: true, graph.OpConvGradInput: true, graph.OpNormalize: true, graph.OpNormalizeGradInput: true,
	graph.OpMaxPool: true, graph.OpMaxPoolGrad: true, graph.OpAvgPoolGrad: true,
}

// readsImages are the operands, by their index, that operations read in the device's layout.
var readsImages = map[graph.Op][]int{
	graph.OpConv: {0}, graph.OpConvGradInput: {0}, graph.OpConvGradFilter: {0, 1}, graph.OpMoments: {0}, graph.OpNormalize: {0, 4},
	graph.OpMaxPool: {0}, graph.OpMaxPoolGrad: {0, 1, 2}, graph.OpAvgPool: {0},
}

// elementwise operations do not care how their operands lie, as long as they lie alike.
var elementwise = map[graph.Op]bool{
	graph.OpReLU: true, graph.OpReLUGrad: true, graph.OpAdd: true, graph.OpScale: true, graph.OpLerp: true,
}

// layout is that of the result of a node.
func (l *lowerer) layout(n *graph.Node) device.Layout {
	ofImages := func(in *graph.Node) bool { return l.images[in] != nil }
	if l.arranges() && len(n.Shape) == 4 && (makesImages[n.Op] || elementwise[n.Op] && slices.ContainsFunc(n.In, ofImages)) {
		return device.Images
	}
	return device.Plain
}

// arranges reports whether the device has a layout of its own for images.
func (l *lowerer) arranges() bool {
	_, ok := l.device.Kernel(device.OpArrange)
	return ok
}

// emitNode appends the operator of a node.
func (l *lowerer) emitNode(n *graph.Node) {
	layout := l.layout(n)
	operands := make([]*edge, len(n.In))
	for i, in := range n.In {
		switch {
		case in == nil:
		case elementwise[n.Op] && layout == device.Images, len(in.Shape) == 4 && slices.Contains(readsImages[n.Op], i):
			operands[i] = l.imagesOf(n.Op, in, i)
		default:
			operands[i] = l.edge(in, device.Plain)
		}
	}
	l.keep(n, layout, l.emit(n.Op, n.ID, n.Attr, operands, l.resultOf(n, layout)))
}

// imagesOf is a node as operand i of an operation on images: the bytes of the image, where the operation reads these.
func (l *lowerer) imagesOf(op graph.Op, n *graph.Node, i int) *edge {
	if k, _ := l.device.Kernel(op); n == l.image && i == 0 && k.Pixels {
		return l.pixels
	}
	return l.edge(n, device.Images)
}

// edge is a node in the given layout.
func (l *lowerer) edge(n *graph.Node, layout device.Layout) *edge {
	if layout == device.Images && l.arranges() {
		if k, _ := l.device.Kernel(graph.OpImage); l.images[n] == nil && n == l.image && k.Images {
			l.images[n] = l.emit(graph.OpImage, n.ID, n.Attr, []*edge{l.pixels}, l.value(n, device.Images))
		}
		if l.images[n] == nil {
			l.images[n] = l.emit(device.OpArrange, n.ID, graph.Attr{}, []*edge{l.edge(n, device.Plain)}, l.value(n, device.Images))
		}
		return l.images[n]
	}
	if l.plain[n] == nil {
		op, operand := device.OpFlatten, l.images[n]
		if n == l.image {
			op, operand = graph.OpImage, l.pixels
		}
		l.plain[n] = l.emit(op, n.ID, n.Attr, []*edge{operand}, l.resultOf(n, device.Plain))
	}
	return l.plain[n]
}

func (l *lowerer) keep(n *graph.Node, layout device.Layout, e *edge) {
	if layout == device.Images {
		l.images[n] = e
	} else {
		l.plain[n] = e
	}
}

// resultOf is where the result of a node goes.
func (l *lowerer) resultOf(n *graph.Node, layout device.Layout) *value {
	if v, ok := l.target[n]; ok && layout == device.Plain {
		return v
	}
	return l.value(n, layout)
}

// value is a new one in the arena.
func (l *lowerer) value(n *graph.Node, layout device.Layout) *value {
	v := newValue(l.device, l.memory, layout, n.Shape)
	v.batched = l.part && l.batched[n]
	return v
}

// input is a value that is there when the tape starts.
func (l *lowerer) input(name string, v *value) *edge {
	node := G.NewTensor(l.graph, dtypes[v.layout], len(v.Shape()), G.WithShape(v.Shape()...), G.WithName(name))
	if err := G.Let(node, v); err != nil && l.err == nil {
		l.err = err
	}
	return &edge{node, v}
}

// emit appends an operator.
func (l *lowerer) emit(op graph.Op, id int, attr graph.Attr, operands []*edge, result *value) *edge {
	kernel, ok := l.device.Kernel(op)
	if !ok && l.err == nil {
		l.err = fmt.Errorf("the device has no kernel for %s", op)
	}
	o := &operator{op: op, id: id, serial: len(l.operators), kernel: kernel, result: result, run: l.run}
	o.call = device.Call{Attr: attr, In: make([]device.Tensor, len(operands)), Out: result.shaped()}
	var nodes []*G.Node
	for i, e := range operands {
		if e == nil {
			o.operands = append(o.operands, nil)
			continue
		}
		o.operands = append(o.operands, e.value)
		o.call.In[i] = e.value.shaped()
		nodes = append(nodes, e.node)
	}
	if l.err != nil {
		return &edge{nil, result}
	}
	if kernel.Scratch != nil {
		if bytes := kernel.Scratch(&o.call); bytes > 0 {
			o.scratch, o.call.Room = &value{memory: l.memory, bytes: bytes}, bytes
		}
	}
	node, err := G.ApplyOp(o, nodes...)
	if err != nil {
		l.err = err
	}
	l.operators = append(l.operators, o)
	return &edge{node, result}
}

// fuses reports whether ReLUGrad n is left to the operations of normalisation, which pass its dy on where its y is positive.
func (l *lowerer) fuses(n *graph.Node) bool {
	return n.Op == graph.OpReLUGrad && !l.kept[n] && !slices.ContainsFunc(l.users[n], func(u *graph.Node) bool {
		return u.Op != graph.OpNormalizeGradInput && u.Op != graph.OpNormalizeGradParams
	})
}

// gradientOf is dy as an operation of normalisation reads it and, where the gradient of a ReLU is left to it, the result y of that.
func (l *lowerer) gradientOf(dy *graph.Node) (gradient, y *edge) {
	layout := device.Plain
	if len(dy.Shape) == 4 {
		layout = device.Images
	}
	if l.fuses(dy) {
		return l.edge(dy.In[1], layout), l.edge(dy.In[0], layout)
	}
	return l.edge(dy, layout), nil
}

// normalized is the operand x of an operation of normalisation.
func (l *lowerer) normalized(x *graph.Node) *edge {
	if len(x.Shape) == 4 {
		return l.edge(x, device.Images)
	}
	return l.edge(x, device.Plain)
}

// gradParams are what the result of NormalizeGradParams depends on.
type gradParams struct {
	x, moments, dy *graph.Node
	eps            float64
}

// gradParams appends NormalizeGradParams for node n: itself, or one that needs its result.
func (l *lowerer) gradParams(n, x, moments, dy *graph.Node) *edge {
	key := gradParams{x, moments, dy, n.Attr.Eps}
	if l.params[key] == nil {
		gradient, y := l.gradientOf(dy)
		result := newValue(l.device, l.memory, device.Plain, moments.Shape)
		if n.Op == graph.OpNormalizeGradParams {
			result = l.resultOf(n, device.Plain)
		}
		l.params[key] = l.emit(graph.OpNormalizeGradParams, n.ID, n.Attr, []*edge{l.normalized(x), l.edge(moments, device.Plain), gradient, y}, result)
	}
	if n.Op == graph.OpNormalizeGradParams {
		l.plain[n] = l.params[key]
	}
	return l.params[key]
}

func (l *lowerer) gradInput(n *graph.Node) {
	x, moments, gamma, dy := n.In[0], n.In[1], n.In[2], n.In[3]
	params := l.gradParams(n, x, moments, dy)
	gradient, y := l.gradientOf(dy)
	layout := l.layout(n)
	operands := []*edge{l.normalized(x), l.edge(moments, device.Plain), l.edge(gamma, device.Plain), gradient, params, y}
	l.keep(n, layout, l.emit(n.Op, n.ID, n.Attr, operands, l.resultOf(n, layout)))
}

// store makes the value of a node end up in v, whether or not it could be computed there.
func (l *lowerer) store(n *graph.Node, v *value) {
	if e := l.edge(n, device.Plain); e.value != v && l.err == nil {
		l.emit(device.OpCopy, n.ID, graph.Attr{}, []*edge{e}, v)
	}
}
