package cpu

import "github.com/goclr/goclr/backends/gorgonia/internal/device"

func (w crew) relu(c *device.Call) error {
	x, out := floats(c.In[0]), floats(c.Out)
	w.ranges(len(out), func(from, to int) {
		x, out := x[from:to], out[from:to]
		for i, v := range x {
			out[i] = max(0, v)
		}
	})
	return nil
}

func (w crew) reluGrad(c *device.Call) error {
	y, dy, out := floats(c.In[0]), floats(c.In[1]), floats(c.Out)
	w.ranges(len(out), func(from, to int) {
		y, dy, out := y[from:to], dy[from:to], out[from:to]
		for i, d := range dy {
			if !(y[i] > 0) {
				d = 0
			}
			out[i] = d
		}
	})
	return nil
}

func (w crew) add(c *device.Call) error {
	a, b, out := floats(c.In[0]), floats(c.In[1]), floats(c.Out)
	w.ranges(len(out), func(from, to int) {
		a, b, out := a[from:to], b[from:to], out[from:to]
		for i, v := range a {
			out[i] = v + b[i]
		}
	})
	return nil
}

func (w crew) scale(c *device.Call) error {
	x, out, factor := floats(c.In[0]), floats(c.Out), float32(c.Attr.Factor)
	w.ranges(len(out), func(from, to int) {
		x, out := x[from:to], out[from:to]
		for i, v := range x {
			out[i] = factor * v
		}
	})
	return nil
}

func (w crew) lerp(c *device.Call) error {
	a, b, out, t := floats(c.In[0]), floats(c.In[1]), floats(c.Out), float32(c.Attr.Factor)
	w.ranges(len(out), func(from, to int) {
		a, b, out := a[from:to], b[from:to], out[from:to]
		for i, v := range a {
			out[i] = v + (b[i]-v)*t
		}
	})
	return nil
}

func (w crew) row(c *device.Call) error {
	out := floats(c.Out)
	copy(out, floats(c.In[0])[c.Attr.Index*len(out):])
	return nil
}

func (w crew) stack(c *device.Call) error {
	a, out := floats(c.In[0]), floats(c.Out)
	copy(out, a)
	copy(out[len(a):], floats(c.In[1]))
	return nil
}

func (w crew) copy(c *device.Call) error {
	x, out := floats(c.In[0]), floats(c.Out)
	w.ranges(len(out), func(from, to int) { copy(out[from:to], x[from:to]) })
	return nil
}
