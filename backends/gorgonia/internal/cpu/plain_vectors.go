package cpu

import (
	"math"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// dot is the sum of the products of elements.
func dot(a, b []float32) float64 {
	var sum float64
	b = b[:len(a)]
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

func (w crew) l2Normalize(c *device.Call) error {
	x, out, features := floats(c.In[0]), floats(c.Out), c.Out.Shape[1]
	w.each(len(x), c.Out.Shape[0], func(_, i int) {
		x, out := planeOf(x, i, features), planeOf(out, i, features)
		length := max(math.Sqrt(dot(x, x)), c.Attr.Eps)
		for j, v := range x {
			out[j] = float32(float64(v) / length)
		}
	})
	return nil
}

func (w crew) l2NormalizeGrad(c *device.Call) error {
	x, y, dy, out, features := floats(c.In[0]), floats(c.In[1]), floats(c.In[2]), floats(c.Out), c.Out.Shape[1]
	w.each(len(x), c.Out.Shape[0], func(_, i int) {
		x, y, dy, out := planeOf(x, i, features), planeOf(y, i, features), planeOf(dy, i, features), planeOf(out, i, features)
		length, along := max(math.Sqrt(dot(x, x)), c.Attr.Eps), dot(y, dy)
		for j, d := range dy {
			out[j] = float32((float64(d) - float64(y[j])*along) / length)
		}
	})
	return nil
}

// spreadScratch has the standard deviation of each column.
func spreadScratch(c *device.Call) int { return doublesBytes(c.In[0].Shape[1]) }

func (w crew) spread(c *device.Call) error {
	const columns = 32 // of a task
	z, rows, features := floats(c.In[0]), c.In[0].Shape[0], c.In[0].Shape[1]
	d := desk{c.Scratch}
	roots := d.doubles(features)
	w.each(len(z), ceil(features, columns), func(_, task int) {
		var sums, squares [columns]float64
		first, last := task*columns, min(features, (task+1)*columns)
		for i := range rows {
			for j, v := range z[i*features+first : i*features+last] {
				d := float64(v) - float64(z[first+j])
				sums[j] += d
				squares[j] += d * d
			}
		}
		for j := range last - first {
			mean := sums[j] / float64(rows)
			roots[first+j] = math.Sqrt(max(0, squares[j]/float64(rows)-mean*mean))
		}
	})
	floats(c.Out)[0] = float32(sum(roots) / math.Sqrt(float64(features)))
	return nil
}
