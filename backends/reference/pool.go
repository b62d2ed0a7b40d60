package reference

import "github.com/goclr/goclr/backends/graph"

func relu(_ *graph.Node, in [][]float64, out []float64) {
	for i, x := range in[0] {
		out[i] = max(0, x)
	}
}

func reluGrad(_ *graph.Node, in [][]float64, out []float64) {
	y, dy := in[0], in[1]
	for i := range out {
		if y[i] > 0 {
			out[i] = dy[i]
		}
	}
}

func maxPool(n *graph.Node, in [][]float64, out []float64) {
	x := in[0]
	for yi, xi := range maxima(x, n.In[0].Shape, n.Shape, n.Attr) {
		out[yi] = x[xi]
	}
}

func maxPoolGrad(n *graph.Node, in [][]float64, out []float64) {
	x, dy := in[0], in[2]
	for yi, xi := range maxima(x, n.Shape, n.In[1].Shape, n.Attr) {
		out[xi] += dy[yi]
	}
}

// maxima returns for each element of y, the result of a MaxPool, the index of the first maximum of its window in x.
func maxima(x []float64, in, y []int, a graph.Attr) []int {
	height, width := in[2], in[3]
	var at []int
	for plane := range y[0] * y[1] {
		for i := range y[2] {
			for j := range y[3] {
				best := -1
				for r := max(0, i*a.Stride-a.Pad); r < min(height, i*a.Stride-a.Pad+a.Kernel); r++ {
					for c := max(0, j*a.Stride-a.Pad); c < min(width, j*a.Stride-a.Pad+a.Kernel); c++ {
						xi := (plane*height+r)*width + c
						if best < 0 || x[xi] > x[best] {
							best = xi
						}
					}
				}
				at = append(at, best)
			}
		}
	}
	return at
}

func avgPool(n *graph.Node, in [][]float64, out []float64) {
	area := len(in[0]) / len(out)
	for i, x := range in[0] {
		out[i/area] += x / float64(area)
	}
}

func avgPoolGrad(n *graph.Node, in [][]float64, out []float64) {
	area := len(out) / len(in[0])
	for i := range out {
		out[i] = in[0][i/area] / float64(area)
	}
}
