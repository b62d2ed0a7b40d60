package graph

import "slices"

// Image is the batch of views, scaled: the bytes of record column name, shape [rows, h, w, 3], become
// (byte/255 - mean) / std per channel, shape [rows, 3, h, w].
func (g *Graph) Image(name string, rows, h, w int, mean, std [3]float64) *Node {
	n := g.add(OpImage, Attr{Mean: mean, Std: std}, []int{rows, 3, h, w})
	n.Name = name
	return n
}

// Labels are the classes of the views of an Image of as many rows, whole numbers from 0 below classes: those of record column
// label, an int32 for each image, which all views of the image have. Only CrossEntropy, its gradient and LabelAccuracy read
// them. A step whose loss does takes any number of views of an image, and refuses a batch with another label, such as -1.
func (g *Graph) Labels(rows, classes int) *Node {
	check(classes >= 2, "Labels of %d classes: there must be at least 2", classes)
	n := g.add(OpLabels, Attr{Classes: classes}, []int{rows})
	n.Name = "label"
	return n
}

// Param is a trainable tensor.
func (g *Graph) Param(name string, shape ...int) *Node { return g.named(OpParam, name, shape) }

// State is a tensor that a step updates without a gradient, such as a running mean.
func (g *Graph) State(name string, shape ...int) *Node { return g.named(OpState, name, shape) }

// Slot is a tensor of the optimiser, such as the momentum of one parameter. It starts at zero.
func (g *Graph) Slot(name string, shape ...int) *Node { return g.named(OpSlot, name, shape) }

// Rate is the learning rate of the step, a scalar.
func (g *Graph) Rate() *Node { return g.named(OpRate, "lr", nil) }

func (g *Graph) named(op Op, name string, shape []int) *Node {
	check(name != "", "%s without a name", op)
	n := g.add(op, Attr{}, shape)
	n.Name = name
	return n
}

// Conv is the cross-correlation of x [N, C, H, W] with w [O, C, k, k]: square filters, the same zero padding on all sides.
func (g *Graph) Conv(x, w *Node, stride, pad int) *Node {
	check(len(x.Shape) == 4 && len(w.Shape) == 4, "Conv of %v with %v", x, w)
	check(x.Shape[1] == w.Shape[1] && w.Shape[2] == w.Shape[3], "Conv of %v with %v", x, w)
	k := w.Shape[2]
	shape := []int{x.Shape[0], w.Shape[0], extent(x.Shape[2], k, stride, pad), extent(x.Shape[3], k, stride, pad)}
	return g.add(OpConv, Attr{Kernel: k, Stride: stride, Pad: pad}, shape, x, w)
}

// extent is the number of positions of a window of size k over n elements padded on both sides.
func extent(n, k, stride, pad int) int {
	check(n+2*pad >= k, "a window of %d does not fit into %d+2*%d", k, n, pad)
	return (n+2*pad-k)/stride + 1
}

// Moments is the mean (row 0) and the biased variance (row 1) of each channel of x, shape [2, C], over all of N, H and W.
// The variance is computed so that a mean far from zero does not destroy it.
func (g *Graph) Moments(x *Node) *Node {
	check(len(x.Shape) == 2 || len(x.Shape) == 4, "Moments of %v", x)
	return g.add(OpMoments, Attr{}, []int{2, x.Shape[1]}, x)
}

// Normalize is batch normalisation with what follows it in a residual network: per channel
//
//	(x - mean) / sqrt(variance + eps) * gamma + beta + add,   then max(0, .) if relu.
//
// x is [N, C] or [N, C, H, W]; moments is [2, C], from Moments in training and from running statistics in evaluation. beta and
// add may be nil.
func (g *Graph) Normalize(x, moments, gamma, beta, add *Node, relu bool, eps float64) *Node {
	c := x.Shape[1]
	check(slices.Equal(moments.Shape, []int{2, c}) && slices.Equal(gamma.Shape, []int{c}), "Normalize of %v with %v, %v", x, moments, gamma)
	check(beta == nil || slices.Equal(beta.Shape, []int{c}), "Normalize of %v with beta %v", x, beta)
	check(add == nil || slices.Equal(add.Shape, x.Shape), "Normalize of %v plus %v", x, add)
	return g.add(OpNormalize, Attr{ReLU: relu, Eps: eps}, x.Shape, x, moments, gamma, beta, add)
}

// ReLU is max(0, x).
func (g *Graph) ReLU(x *Node) *Node { return g.add(OpReLU, Attr{}, x.Shape, x) }

// MaxPool is the maximum over windows of k by k of x [N, C, H, W]; padding never wins.
func (g *Graph) MaxPool(x *Node, k, stride, pad int) *Node {
	check(len(x.Shape) == 4, "MaxPool of %v", x)
	shape := []int{x.Shape[0], x.Shape[1], extent(x.Shape[2], k, stride, pad), extent(x.Shape[3], k, stride, pad)}
	return g.add(OpMaxPool, Attr{Kernel: k, Stride: stride, Pad: pad}, shape, x)
}

// AvgPool is the mean over H and W of x [N, C, H, W], shape [N, C].
func (g *Graph) AvgPool(x *Node) *Node {
	check(len(x.Shape) == 4, "AvgPool of %v", x)
	return g.add(OpAvgPool, Attr{}, x.Shape[:2], x)
}

// MatMul is the product of two matrices, each transposed first if so asked.
func (g *Graph) MatMul(a, b *Node, transA, transB bool) *Node {
	check(len(a.Shape) == 2 && len(b.Shape) == 2, "MatMul of %v and %v", a, b)
	m, k := a.Shape[0], a.Shape[1]
	if transA {
		m, k = k, m
	}
	l, n := b.Shape[0], b.Shape[1]
	if transB {
		l, n = n, l
	}
	check(k == l, "MatMul of %v and %v", a, b)
	return g.add(OpMatMul, Attr{TransA: transA, TransB: transB}, []int{m, n}, a, b)
}

// AddBias adds b [F] to each row of x [N, F].
func (g *Graph) AddBias(x, b *Node) *Node {
	check(len(x.Shape) == 2 && slices.Equal(b.Shape, x.Shape[1:]), "AddBias of %v and %v", x, b)
	return g.add(OpAddBias, Attr{}, x.Shape, x, b)
}

// SumRows is the sum over the rows of x [N, F], shape [F].
func (g *Graph) SumRows(x *Node) *Node {
	check(len(x.Shape) == 2, "SumRows of %v", x)
	return g.add(OpSumRows, Attr{}, x.Shape[1:], x)
}

// L2Normalize divides each row of x [N, F] by max(its length, 1e-12).
func (g *Graph) L2Normalize(x *Node) *Node {
	check(len(x.Shape) == 2, "L2Normalize of %v", x)
	return g.add(OpL2Normalize, Attr{Eps: 1e-12}, x.Shape, x)
}

// NTXent is the normalised temperature-scaled cross entropy of SimCLR (Chen et al. 2020, equation 1), a scalar. z [N, F]
// holds unit vectors; the positive of row i is row i XOR 1; all other rows but i itself are negatives. The mean is over all N
// rows, which is half of what the reference implementation reports.
func (g *Graph) NTXent(z *Node, temperature float64) *Node {
	check(len(z.Shape) == 2 && z.Shape[0]%2 == 0 && z.Shape[0] >= 4, "NTXent of %v: needs at least two pairs", z)
	check(temperature > 0, "NTXent with temperature %g", temperature)
	return g.add(OpNTXent, Attr{Temperature: temperature}, nil, z)
}

// PairAccuracy is the share of rows of z whose nearest other row, by dot product, is its positive: the contrastive accuracy.
func (g *Graph) PairAccuracy(z *Node) *Node {
	check(len(z.Shape) == 2 && z.Shape[0]%2 == 0, "PairAccuracy of %v", z)
	return g.add(OpPairAccuracy, Attr{}, nil, z)
}

// Spread is sqrt(F) times the mean over columns of the (biased) standard deviation of z [N, F]: near 1 for unit vectors
// spread over the sphere, 0 for a collapsed encoder.
func (g *Graph) Spread(z *Node) *Node {
	check(len(z.Shape) == 2, "Spread of %v", z)
	return g.add(OpSpread, Attr{}, nil, z)
}

// CrossEntropy is the mean over the rows of logits [N, classes] of log(sum(exp(row))) - row[label], a scalar: that of the
// softmax of the logits and the labels [N].
func (g *Graph) CrossEntropy(logits, labels *Node) *Node {
	checkLabelled("CrossEntropy", logits, labels)
	return g.add(OpCrossEntropy, Attr{}, nil, logits, labels)
}

// LabelAccuracy is the share of rows of logits [N, classes] whose largest element, the first of equals, is that of the label.
func (g *Graph) LabelAccuracy(logits, labels *Node) *Node {
	checkLabelled("LabelAccuracy", logits, labels)
	return g.add(OpLabelAccuracy, Attr{}, nil, logits, labels)
}

func checkLabelled(op string, logits, labels *Node) {
	check(labels.Op == OpLabels && slices.Equal(logits.Shape, []int{labels.Shape[0], labels.Attr.Classes}),
		"%s of %v and %v: want logits [rows, classes] and the Labels of the rows", op, logits, labels)
}

// Add is a + b, of equal shapes.
func (g *Graph) Add(a, b *Node) *Node {
	check(slices.Equal(a.Shape, b.Shape), "Add of %v and %v", a, b)
	return g.add(OpAdd, Attr{}, a.Shape, a, b)
}

// Scale is factor * x.
func (g *Graph) Scale(x *Node, factor float64) *Node {
	return g.add(OpScale, Attr{Factor: factor}, x.Shape, x)
}

// Lerp is a + (b-a)*t.
func (g *Graph) Lerp(a, b *Node, t float64) *Node {
	check(slices.Equal(a.Shape, b.Shape), "Lerp of %v and %v", a, b)
	return g.add(OpLerp, Attr{Factor: t}, a.Shape, a, b)
}

// Row is row i of x [R, F], shape [F].
func (g *Graph) Row(x *Node, i int) *Node {
	check(len(x.Shape) == 2 && i >= 0 && i < x.Shape[0], "Row %d of %v", i, x)
	return g.add(OpRow, Attr{Index: i}, x.Shape[1:], x)
}

// Stack makes [2, F] of two vectors [F].
func (g *Graph) Stack(a, b *Node) *Node {
	check(len(a.Shape) == 1 && slices.Equal(a.Shape, b.Shape), "Stack of %v and %v", a, b)
	return g.add(OpStack, Attr{}, []int{2, a.Shape[0]}, a, b)
}
