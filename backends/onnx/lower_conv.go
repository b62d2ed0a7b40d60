package onnx

import "github.com/goclr/goclr/backends/graph"

func lowerConv(l *lowerer, n *graph.Node, in []value) value {
	a := n.Attr
	return l.conv(in[0], in[1], [2]int{a.Kernel, a.Kernel}, a.Stride, [2]int{1, 1}, [4]int{a.Pad, a.Pad, a.Pad, a.Pad})
}

// conv is a convolution; kernel and dilation are height and width, pad is top, left, bottom and right.
func (b *builder) conv(x, w value, kernel [2]int, stride int, dilation [2]int, pad [4]int) value {
	return b.op("Conv", []value{x, w}, intsAttr("kernel_shape", kernel[:]...), intsAttr("strides", stride, stride),
		intsAttr("dilations", dilation[:]...), intsAttr("pads", pad[:]...))
}

// lowerConvGradInput convolves dy with the filters turned by half a turn, which ONNX Runtime does faster than the
// transposed convolution that it is, except that with a stride it would meet mostly inserted zeros.
func lowerConvGradInput(l *lowerer, n *graph.Node, in []value) value {
	dy, w := in[0], in[1]
	k, stride, pad := n.Attr.Kernel, n.Attr.Stride, n.Attr.Pad
	if stride > 1 || pad > k-1 {
		rest := func(axis int) int { return n.Shape[axis] - ((n.In[0].Shape[axis]-1)*stride - 2*pad + k) }
		return l.op("ConvTranspose", []value{dy, w}, intsAttr("kernel_shape", k, k), intsAttr("strides", stride, stride),
			intsAttr("pads", pad, pad, pad, pad), intsAttr("output_padding", rest(2), rest(3)))
	}
	p := k - 1 - pad
	return l.conv(dy, l.halfTurn(w, n.In[1].Shape), [2]int{k, k}, 1, [2]int{1, 1}, [4]int{p, p, p, p})
}

// halfTurn turns filters w [O, C, k, k] by 180 degrees, as filters from O to C channels.
func (l *lowerer) halfTurn(w value, shape []int) value {
	out, channels, k := shape[0], shape[1], shape[2]
	w = l.transpose(w, 1, 0, 2, 3)
	if k == 1 {
		return w
	}
	// Backwards over the k*k taps; the end of a slice that includes element 0 is out of range.
	w = l.op("Slice", []value{l.reshape(w, channels, out, k*k), l.ints(k*k - 1), l.ints(-k*k - 1), l.ints(2), l.ints(-1)})
	return l.reshape(w, channels, out, k, k)
}

// lowerConvGradFilter computes the gradient of the filters by one convolution in which the images are the channels, the
// filters are dy, and an input row holds the channels of all pixels side by side: dilated by the number of channels it
// walks over pixels, so that result (i, j*C+c) is the gradient of tap (i, j) of channel c. ONNX Runtime then does one
// large matrix product and unfolds its operand piece by piece in the cache; it was the fastest of nine formulations for
// the 3x3 layers of ResNet-18.
func lowerConvGradFilter(l *lowerer, n *graph.Node, in []value) value {
	x, dy := in[0], in[1]
	xs, ys := n.In[0].Shape, n.In[1].Shape
	k, stride, pad := n.Attr.Kernel, n.Attr.Stride, n.Attr.Pad
	images, channels, height, width := xs[0], xs[1], xs[2], xs[3]
	// What the windows span, from the padding on: rows and columns of x beyond have no effect and must have none here.
	bottom := stride*(ys[2]-1) + k - pad
	right := stride*(ys[3]-1) + k - pad
	step := 1
	if k == 1 && pad == 0 {
		step, stride = stride, 1 // nothing between the taps is ever read
	}
	if bottom < height || right < width || step > 1 {
		height, width = min(height, bottom), min(width, right)
		x = l.op("Slice", []value{x, l.ints(0, 0), l.ints(height, width), l.ints(2, 3), l.ints(step, step)})
		every := func(n int) int { return (n-1)/step + 1 }
		height, width, bottom, right = every(height), every(width), every(bottom), every(right)
	}
	x = l.reshape(l.transpose(x, 0, 2, 3, 1), 1, images, height, width*channels)
	dy = l.transpose(dy, 1, 0, 2, 3)
	dw := l.conv(x, dy, [2]int{ys[2], ys[3]}, 1, [2]int{stride, stride * channels},
		[4]int{pad, pad * channels, bottom - height, (right - width) * channels})
	dw = l.reshape(dw, ys[1], k*k, channels)
	return l.reshape(l.transpose(dw, 0, 2, 1), n.Shape...)
}
