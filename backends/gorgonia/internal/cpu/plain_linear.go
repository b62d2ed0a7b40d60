package cpu

import (
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// matMulScratch has the factors that are to be transposed.
func matMulScratch(c *device.Call) int {
	bytes := 0
	if c.Attr.TransA {
		bytes += floatsBytes(graph.Size(c.In[0].Shape))
	}
	if c.Attr.TransB {
		bytes += floatsBytes(graph.Size(c.In[1].Shape))
	}
	return bytes
}

func (w crew) matMul(c *device.Call) error {
	m, n, k := c.Out.Shape[0], c.Out.Shape[1], c.In[0].Shape[1]
	a, b := floats(c.In[0]), floats(c.In[1])
	d := desk{c.Scratch}
	if c.Attr.TransA {
		k = c.In[0].Shape[0]
		t := d.floats(len(a))
		w.transpose(k, m, a, t)
		a = t
	}
	if c.Attr.TransB {
		t := d.floats(len(b))
		w.transpose(n, k, b, t)
		b = t
	}
	return w.multiply(m, n, k, a, b, floats(c.Out))
}

func (w crew) addBias(c *device.Call) error {
	x, bias, out := floats(c.In[0]), floats(c.In[1]), floats(c.Out)
	w.each(len(out), c.Out.Shape[0], func(_, i int) {
		x, out := x[i*len(bias):(i+1)*len(bias)], out[i*len(bias):(i+1)*len(bias)]
		for j, b := range bias {
			out[j] = x[j] + b
		}
	})
	return nil
}

func (w crew) sumRows(c *device.Call) error {
	const columns = 32 // of a task
	x, out := floats(c.In[0]), floats(c.Out)
	cols := len(out)
	w.each(len(x), ceil(cols, columns), func(_, i int) {
		var sums [columns]float64
		first, last := i*columns, min(cols, (i+1)*columns)
		for row := range c.In[0].Shape[0] {
			for j, v := range x[row*cols+first : row*cols+last] {
				sums[j] += float64(v)
			}
		}
		for j := first; j < last; j++ {
			out[j] = float32(sums[j-first])
		}
	})
	return nil
}
