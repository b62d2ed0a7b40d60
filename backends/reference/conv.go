package reference

import "github.com/goclr/goclr/backends/graph"

func conv(n *graph.Node, in [][]float64, out []float64) {
	x, w := in[0], in[1]
	g := geometry(n.In[0].Shape, n.Shape, n.Attr)
	g.rows(func(xi, wi, yi, count int) {
		weight := w[wi]
		for i := range count {
			out[yi+i] += x[xi+i*g.stride] * weight
		}
	})
}

func convGradInput(n *graph.Node, in [][]float64, out []float64) {
	dy, w := in[0], in[1]
	g := geometry(n.Shape, n.In[0].Shape, n.Attr)
	g.rows(func(xi, wi, yi, count int) {
		weight := w[wi]
		for i := range count {
			out[xi+i*g.stride] += dy[yi+i] * weight
		}
	})
}

func convGradFilter(n *graph.Node, in [][]float64, out []float64) {
	x, dy := in[0], in[1]
	g := geometry(n.In[0].Shape, n.In[1].Shape, n.Attr)
	g.rows(func(xi, wi, yi, count int) {
		sum := 0.0
		for i := range count {
			sum += x[xi+i*g.stride] * dy[yi+i]
		}
		out[wi] += sum
	})
}

// convGeometry is what a convolution connects: y[n,o,i,j] += x[n, c, i*stride+ky-pad, j*stride+kx-pad] * w[o,c,ky,kx].
type convGeometry struct {
	images, channels, height, width int // of x
	filters, rowsOut, colsOut       int // of y
	k, stride, pad                  int
}

func geometry(x, y []int, a graph.Attr) convGeometry {
	return convGeometry{x[0], x[1], x[2], x[3], y[1], y[2], y[3], a.Kernel, a.Stride, a.Pad}
}

// rows calls f for each row of y and each element of the filters that reaches it: count elements of y from yi on meet
// element wi of w and the elements of x at xi, xi+stride, and so on. Elements that meet padding are left out.
func (g convGeometry) rows(f func(xi, wi, yi, count int)) {
	for n := range g.images {
		for o := range g.filters {
			for c := range g.channels {
				for ky := range g.k {
					for kx := range g.k {
						wi := ((o*g.channels+c)*g.k+ky)*g.k + kx
						top, bottom := inside(ky-g.pad, g.stride, g.height, g.rowsOut)
						left, right := inside(kx-g.pad, g.stride, g.width, g.colsOut)
						for i := top; i < bottom && left < right; i++ {
							row := (n*g.channels+c)*g.height + i*g.stride + ky - g.pad
							xi := row*g.width + left*g.stride + kx - g.pad
							f(xi, wi, ((n*g.filters+o)*g.rowsOut+i)*g.colsOut+left, right-left)
						}
					}
				}
			}
		}
	}
}

// inside returns the range of j < positions for which 0 <= j*stride+offset < size. It is empty where first >= last.
func inside(offset, stride, size, positions int) (first, last int) {
	first = (max(0, -offset) + stride - 1) / stride
	last = (size - offset + stride - 1) / stride
	return first, max(0, min(positions, last))
}
