package onnx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goclr/goclr/backends/graph"
)

// The operations that take nearly all the time of a step have operators of goclr's own. Images pass between them in blocks of
// 16 channels, [N, ceil(C/16), H, W, 16], which the kernels need; everything else is left to the standard.

// inBlocks lowers a node to goclr's operators; ok is false where the standard has to do.
var inBlocks = map[graph.Op]func(l *lowerer, n *graph.Node) (ok bool){
	graph.OpConv:           (*lowerer).blockedConv,
	graph.OpConvGradInput:  (*lowerer).blockedConvGradInput,
	graph.OpConvGradFilter: (*lowerer).blockedConvGradFilter,

	graph.OpMoments:             (*lowerer).blockedMoments,
	graph.OpNormalize:           (*lowerer).blockedNormalize,
	graph.OpNormalizeGradInput:  (*lowerer).blockedNormalizeGradInput,
	graph.OpNormalizeGradParams: (*lowerer).blockedNormalizeGradParams,

	graph.OpReLUGrad:    (*lowerer).blockedReLUGrad,
	graph.OpMaxPool:     (*lowerer).blockedMaxPool,
	graph.OpMaxPoolGrad: (*lowerer).blockedMaxPoolGrad,
	graph.OpAvgPool:     (*lowerer).blockedAvgPool,
	graph.OpAvgPoolGrad: (*lowerer).blockedAvgPoolGrad,

	graph.OpReLU: (*lowerer).elementwise,
	graph.OpAdd:  (*lowerer).elementwise,

	graph.OpVelocity: (*lowerer).ownVelocity,
	graph.OpDescend:  (*lowerer).ownDescend,
}

// blocked lowers a node to goclr's operators, if it can.
func (l *lowerer) blocked(n *graph.Node) (ok bool) {
	rule, ok := inBlocks[n.Op]
	return ok && rule(l, n)
}

// sizes are the shapes that an operator of goclr works on: the ints that operators.c reads, and words for a trace.
type sizes struct {
	ints  []int
	words string
}

// ownOp appends an operator of goclr with one output; floats are what operators.c reads besides the sizes.
func (l *lowerer) ownOp(op string, in []value, s sizes, floats ...float64) value {
	return l.ownOps(op, 1, in, s, floats...)[0]
}

func (l *lowerer) ownOps(op string, outputs int, in []value, s sizes, floats ...float64) []value {
	attributes := []attribute{intsAttr("ints", s.ints...)}
	if len(floats) > 0 {
		attributes = append(attributes, floatsAttr("floats", floats...))
	}
	return l.own(op, s.words, outputs, in, attributes...)
}

// block is a node [N, C, H, W] in blocks.
func (l *lowerer) block(n *graph.Node) value {
	v, ok := l.blocks[n]
	if !ok {
		v = l.ownOp("Block", []value{l.value(n)}, imageSizes(n.Shape))
		l.blocks[n] = v
	}
	return v
}

// unblock is a node that is there in blocks as a row-major tensor.
func (l *lowerer) unblock(n *graph.Node) value {
	return l.ownOp("Unblock", []value{l.blocks[n]}, imageSizes(n.Shape))
}

// dims is a shape in words, as 64x32x32.
func dims(shape []int) string {
	words := make([]string, len(shape))
	for i, n := range shape {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, "x")
}

// imageSizes are those of x [., C, H, W].
func imageSizes(x []int) sizes { return sizes{x[1:], dims(x[1:])} }

// windows says in words what of x [., C, H, W] becomes y by windows: 64x32x32 to 128x16x16 by 3x3/2.
func windows(x, y []int, a graph.Attr) string {
	return fmt.Sprintf("%s to %s by %dx%d/%d", dims(x[1:]), dims(y[1:]), a.Kernel, a.Kernel, a.Stride)
}

// convSizes are those of a convolution of x [., C, H, W] to y.
func convSizes(x, y []int, a graph.Attr) sizes {
	return sizes{append(slices.Clone(x[1:]), y[1], a.Kernel, a.Stride, a.Pad), windows(x, y, a)}
}

// scaling are scale and offset of each channel of an Image.
func scaling(n *graph.Node) []float64 {
	var scale, offset []float64
	for c := range 3 {
		scale = append(scale, 1/(255*n.Attr.Std[c]))
		offset = append(offset, -n.Attr.Mean[c]/n.Attr.Std[c])
	}
	return append(scale, offset...)
}

// maxTaps is the largest kernel, k by k, that the operators take.
const maxTaps = 49

func (l *lowerer) blockedConv(n *graph.Node) bool {
	x, w := n.In[0], n.In[1]
	if n.Attr.Kernel*n.Attr.Kernel > maxTaps {
		return false
	}
	s := convSizes(x.Shape, n.Shape, n.Attr)
	if x.Op == graph.OpImage {
		l.blocks[n] = l.ownOp("ConvPixels", []value{value(inputName(x)), l.value(w)}, s, scaling(x)...)
	} else {
		l.blocks[n] = l.ownOp("Conv", []value{l.block(x), l.value(w)}, s)
	}
	return true
}

func (l *lowerer) blockedConvGradInput(n *graph.Node) bool {
	dy, w := n.In[0], n.In[1]
	if n.Attr.Kernel*n.Attr.Kernel > maxTaps {
		return false
	}
	l.blocks[n] = l.ownOp("ConvGradInput", []value{l.block(dy), l.value(w)}, convSizes(n.Shape, dy.Shape, n.Attr))
	return true
}

func (l *lowerer) blockedConvGradFilter(n *graph.Node) bool {
	x, dy := n.In[0], n.In[1]
	if n.Attr.Kernel*n.Attr.Kernel > maxTaps {
		return false
	}
	s := convSizes(x.Shape, dy.Shape, n.Attr)
	if x.Op == graph.OpImage {
		l.values[n] = l.ownOp("ConvPixelsGradFilter", []value{value(inputName(x)), l.block(dy)}, s, scaling(x)...)
	} else {
		l.values[n] = l.ownOp("ConvGradFilter", []value{l.block(x), l.block(dy)}, s)
	}
	return true
}

func (l *lowerer) blockedMoments(n *graph.Node) bool {
	x := n.In[0]
	if len(x.Shape) != 4 {
		return false
	}
	rows := l.ownOps("Moments", 2, []value{l.block(x)}, imageSizes(x.Shape))
	l.values[n] = l.stack(n, rows[0], rows[1])
	return true
}

func (l *lowerer) blockedNormalize(n *graph.Node) bool {
	x, moments, gamma, beta, add := n.In[0], n.In[1], n.In[2], n.In[3], n.In[4]
	if len(x.Shape) != 4 {
		return false
	}
	in := []value{l.block(x), l.row(moments, 0), l.row(moments, 1), l.value(gamma), "", ""}
	if beta != nil {
		in[4] = l.value(beta)
	}
	if add != nil {
		in[5] = l.block(add)
	}
	relu := 0
	if n.Attr.ReLU {
		relu = 1
	}
	l.blocks[n] = l.ownOp("Normalize", in, sizes{append(slices.Clone(x.Shape[1:]), relu), dims(x.Shape[1:])}, n.Attr.Eps)
	return true
}

// gradientOf is dy in blocks and, where it is the gradient of a ReLU that nothing else needs, the result y of that ReLU
// instead: the operators of normalisation pass dy on where y is positive.
func (l *lowerer) gradientOf(dy *graph.Node) (gradient, y value) {
	if dy.Op == graph.OpReLUGrad && !slices.ContainsFunc(l.users[dy], func(n *graph.Node) bool {
		return n.Op != graph.OpNormalizeGradInput && n.Op != graph.OpNormalizeGradParams
	}) {
		return l.block(dy.In[1]), l.block(dy.In[0])
	}
	return l.block(dy), ""
}

// gradientParams are the gradients of gamma and beta, which that of x needs too.
func (l *lowerer) gradientParams(x, moments, dy *graph.Node, eps float64) [2]value {
	at := func(what string) derivation { return derivation{what, x, dy} }
	if dgamma, ok := l.derived[at("dgamma")]; ok {
		return [2]value{dgamma, l.derived[at("dbeta")]}
	}
	gradient, y := l.gradientOf(dy)
	out := l.ownOps("NormalizeGradParams", 2, []value{l.block(x), l.row(moments, 0), l.row(moments, 1), gradient, y}, imageSizes(x.Shape), eps)
	l.derived[at("dgamma")], l.derived[at("dbeta")] = out[0], out[1]
	return [2]value{out[0], out[1]}
}

func (l *lowerer) blockedNormalizeGradParams(n *graph.Node) bool {
	x, moments, dy := n.In[0], n.In[1], n.In[2]
	if len(x.Shape) != 4 {
		return false
	}
	params := l.gradientParams(x, moments, dy, n.Attr.Eps)
	l.values[n] = l.stack(n, params[0], params[1])
	return true
}

func (l *lowerer) blockedNormalizeGradInput(n *graph.Node) bool {
	x, moments, gamma, dy := n.In[0], n.In[1], n.In[2], n.In[3]
	if len(x.Shape) != 4 {
		return false
	}
	params := l.gradientParams(x, moments, dy, n.Attr.Eps)
	gradient, y := l.gradientOf(dy)
	l.blocks[n] = l.ownOp("NormalizeGradInput",
		[]value{l.block(x), l.row(moments, 0), l.row(moments, 1), l.value(gamma), params[0], params[1], gradient, y}, imageSizes(x.Shape), n.Attr.Eps)
	return true
}

func (l *lowerer) blockedReLUGrad(n *graph.Node) bool {
	y, dy := n.In[0], n.In[1]
	if len(n.Shape) != 4 {
		return false
	}
	l.blocks[n] = l.ownOp("ReLUGrad", []value{l.block(y), l.block(dy)}, imageSizes(n.Shape))
	return true
}

// poolSizes are those of pooling x [., C, H, W] to y.
func poolSizes(x, y []int, a graph.Attr) sizes {
	return sizes{append(slices.Clone(x[1:]), a.Kernel, a.Stride, a.Pad), windows(x, y, a)}
}

func (l *lowerer) blockedMaxPool(n *graph.Node) bool {
	x := n.In[0]
	l.blocks[n] = l.ownOp("MaxPool", []value{l.block(x)}, poolSizes(x.Shape, n.Shape, n.Attr))
	return true
}

func (l *lowerer) blockedMaxPoolGrad(n *graph.Node) bool {
	x, dy := n.In[0], n.In[2]
	l.blocks[n] = l.ownOp("MaxPoolGrad", []value{l.block(x), l.block(dy)}, poolSizes(x.Shape, dy.Shape, n.Attr))
	return true
}

func (l *lowerer) blockedAvgPool(n *graph.Node) bool {
	x := n.In[0]
	l.values[n] = l.ownOp("AvgPool", []value{l.block(x)}, imageSizes(x.Shape))
	return true
}

func (l *lowerer) blockedAvgPoolGrad(n *graph.Node) bool {
	l.blocks[n] = l.ownOp("AvgPoolGrad", []value{l.value(n.In[0])}, imageSizes(n.Shape))
	return true
}

// elementwise takes the standard operator, which does not care how its operands lie, as long as they lie alike.
func (l *lowerer) elementwise(n *graph.Node) bool {
	if len(n.Shape) != 4 || !slices.ContainsFunc(n.In, func(x *graph.Node) bool { return l.blocks[x] != "" }) {
		return false
	}
	in := make([]value, len(n.In))
	for i, x := range n.In {
		in[i] = l.block(x)
	}
	l.blocks[n] = standard[n.Op](l, n, in)
	return true
}

// tensorSizes are those of a tensor of up to four dimensions.
func tensorSizes(n *graph.Node) sizes {
	shape := tensorShape(n)
	ints := make([]int, 5)
	ints[0] = len(shape)
	copy(ints[1:], shape)
	return sizes{ints, dims(shape)}
}

// ownVelocity and ownDescend pass over the weights once each, where the standard takes seven operators.
func (l *lowerer) ownVelocity(n *graph.Node) bool {
	l.values[n] = l.ownOp("Velocity", l.operands(n), tensorSizes(n), n.Attr.Factor, n.Attr.Decay)
	return true
}

func (l *lowerer) ownDescend(n *graph.Node) bool {
	l.values[n] = l.ownOp("Descend", l.operands(n), tensorSizes(n))
	return true
}
