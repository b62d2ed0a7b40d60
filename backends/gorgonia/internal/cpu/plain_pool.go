package cpu

import (
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// windows are those of a MaxPool over one plane.
type windows struct {
	height, width int // of the plane
	rows, cols    int // of the result
	graph.Attr
}

// maximum is the index of the first maximum of window i, j of a plane.
func (g windows) maximum(x []float32, i, j int) int {
	top, left := max(0, i*g.Stride-g.Pad), max(0, j*g.Stride-g.Pad)
	bottom, right := min(g.height, i*g.Stride-g.Pad+g.Kernel), min(g.width, j*g.Stride-g.Pad+g.Kernel)
	best := top*g.width + left
	largest := x[best]
	for r := top; r < bottom; r++ {
		for at := r*g.width + left; at < r*g.width+right; at++ {
			if x[at] > largest {
				best, largest = at, x[at]
			}
		}
	}
	return best
}

func (w crew) maxPool(c *device.Call) error {
	x, out, in, y := floats(c.In[0]), floats(c.Out), c.In[0].Shape, c.Out.Shape
	g := windows{in[2], in[3], y[2], y[3], c.Attr}
	w.each(len(x), in[0]*in[1], func(_, plane int) {
		x, out := planeOf(x, plane, g.height*g.width), planeOf(out, plane, g.rows*g.cols)
		for i := range g.rows {
			for j := range g.cols {
				out[i*g.cols+j] = x[g.maximum(x, i, j)]
			}
		}
	})
	return nil
}

func (w crew) maxPoolGrad(c *device.Call) error {
	x, dy, out, in, y := floats(c.In[0]), floats(c.In[2]), floats(c.Out), c.Out.Shape, c.In[2].Shape
	g := windows{in[2], in[3], y[2], y[3], c.Attr}
	w.each(len(x), in[0]*in[1], func(_, plane int) {
		x, out, dy := planeOf(x, plane, g.height*g.width), planeOf(out, plane, g.height*g.width), planeOf(dy, plane, g.rows*g.cols)
		clear(out)
		for i := range g.rows {
			for j := range g.cols {
				out[g.maximum(x, i, j)] += dy[i*g.cols+j]
			}
		}
	})
	return nil
}

// planeOf cuts plane i out of planes of a number of elements.
func planeOf(x []float32, i, area int) []float32 { return x[i*area : (i+1)*area] }

func (w crew) avgPool(c *device.Call) error {
	x, out := floats(c.In[0]), floats(c.Out)
	area := graph.Size(c.In[0].Shape[2:])
	w.each(len(x), c.Out.Shape[0], func(_, image int) {
		channels := c.Out.Shape[1]
		for plane := image * channels; plane < (image+1)*channels; plane++ {
			var total float64
			for _, v := range planeOf(x, plane, area) {
				total += float64(v)
			}
			out[plane] = float32(total / float64(area))
		}
	})
	return nil
}

func (w crew) avgPoolGrad(c *device.Call) error {
	dy, out := floats(c.In[0]), floats(c.Out)
	area := graph.Size(c.Out.Shape[2:])
	w.each(len(out), c.Out.Shape[0], func(_, image int) {
		channels := c.Out.Shape[1]
		for plane := image * channels; plane < (image+1)*channels; plane++ {
			d := dy[plane] / float32(area)
			out := planeOf(out, plane, area)
			for i := range out {
				out[i] = d
			}
		}
	})
	return nil
}
