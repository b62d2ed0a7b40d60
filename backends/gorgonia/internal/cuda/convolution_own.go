package cuda

import (
	"unsafe"
)

// convolveTerms is the fewest terms of a part of a sum.
const convolveTerms = 1024

// convolveArguments are the convolve_arguments in kernels/convolve.cu.
type convolveArguments struct {
	first, second, out             unsafe.Pointer
	n, channels, height, width     int32
	filters, kernel                int32
	rows, cols, stride, pad, parts int32
	terms                          int32
}

// convolveTotalArguments are the convolve_total_arguments in kernels/convolve.cu.
type convolveTotalArguments struct {
	parts, out unsafe.Pointer
	n          int64
	count      int32
}

// ownConvolutions computes convolutions and their gradients by kernels of our own, for which cuDNN has no algorithm.
type ownConvolutions struct{ launcher }

func (c convolution) arguments(first, second, out unsafe.Pointer) convolveArguments {
	return convolveArguments{
		first: first, second: second, out: out, n: int32(c.n), channels: int32(c.channels), height: int32(c.height), width: int32(c.width),
		filters: int32(c.filters), kernel: int32(c.kernel), rows: int32(c.rows), cols: int32(c.cols), stride: int32(c.stride), pad: int32(c.pad),
	}
}

func (o ownConvolutions) forward(c convolution, x, w, y unsafe.Pointer) error {
	a := c.arguments(x, w, y)
	return o.launch("convolve", parts(c.n*c.rows*c.cols, tileSide), parts(c.filters, tileSide), unsafe.Pointer(&a))
}

func (o ownConvolutions) gradInput(c convolution, w, dy, dx unsafe.Pointer) error {
	a := c.arguments(dy, w, dx)
	return o.launch("convolve_input_gradient", parts(c.n*c.height*c.width, tileSide), parts(c.channels, tileSide), unsafe.Pointer(&a))
}

// sumParts is how many parts the sums of the gradient of filters are divided into, so that there is work for a whole GPU.
func (c convolution) sumParts() int {
	tiles := parts(c.filters, tileSide) * parts(c.channels*c.kernel*c.kernel, tileSide)
	return max(1, min(fewBlocks/tiles, c.n*c.rows*c.cols/convolveTerms))
}

// gradFilter computes filters as the network keeps them. room is the bytes of scratch memory, for the parts of sums.
func (o ownConvolutions) gradFilter(c convolution, x, dy, scratch unsafe.Pointer, room int, dw unsafe.Pointer) error {
	n, pixels := c.weights(), c.n*c.rows*c.cols
	count, to := min(c.sumParts(), room/(plainFloat*n)), scratch
	if count <= 1 {
		count, to = 1, dw
	}
	a := c.arguments(x, dy, to)
	a.terms = int32(parts(pixels, count))
	count = parts(pixels, int(a.terms)) // rounded up, they may be fewer
	a.parts = int32(count)
	tiles := parts(c.filters, tileSide)
	if err := o.launch("convolve_filter_gradient", tiles*count, parts(c.channels*c.kernel*c.kernel, tileSide), unsafe.Pointer(&a)); err != nil || to == dw {
		return err
	}
	return o.launch("convolve_filter_total", blocksFor(n), 1, unsafe.Pointer(&convolveTotalArguments{
		parts: scratch, out: dw, n: int64(n), count: int32(count),
	}))
}
