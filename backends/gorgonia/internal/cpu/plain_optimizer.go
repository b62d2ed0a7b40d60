package cpu

import (
	"math"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

func (w crew) velocity(c *device.Call) error {
	v, p, grad, out := floats(c.In[0]), floats(c.In[1]), floats(c.In[2]), floats(c.Out)
	momentum, decay := float32(c.Attr.Factor), float32(c.Attr.Decay)
	w.ranges(len(out), func(from, to int) {
		for i := from; i < to; i++ {
			out[i] = momentum*v[i] + (grad[i] + decay*p[i])
		}
	})
	return nil
}

// larsScratch has the squares of the lengths of the parameter and of its gradient, in parts.
func larsScratch(c *device.Call) int { return 2 * doublesBytes(ceil(graph.Size(c.Out.Shape), chunk)) }

func (w crew) larsVelocity(c *device.Call) error {
	v, p, grad, out := floats(c.In[0]), floats(c.In[1]), floats(c.In[2]), floats(c.Out)
	momentum, decay, step := float32(c.Attr.Factor), float32(c.Attr.Decay), float64(floats(c.In[3])[0])
	if c.Attr.Trust > 0 {
		d := desk{c.Scratch}
		parts := ceil(len(out), chunk)
		squaresP, squaresU := d.doubles(parts), d.doubles(parts)
		w.ranges(len(out), func(from, to int) {
			var ofP, ofU float64
			for i := from; i < to; i++ {
				u := float64(grad[i]) + c.Attr.Decay*float64(p[i])
				ofP += float64(p[i]) * float64(p[i])
				ofU += u * u
			}
			squaresP[from/chunk], squaresU[from/chunk] = ofP, ofU
		})
		if lengthP, lengthU := math.Sqrt(sum(squaresP)), math.Sqrt(sum(squaresU)); lengthP > 0 && lengthU > 0 {
			step *= c.Attr.Trust * lengthP / lengthU
		}
	}
	rate := float32(step)
	w.ranges(len(out), func(from, to int) {
		for i := from; i < to; i++ {
			out[i] = momentum*v[i] + rate*(grad[i]+decay*p[i])
		}
	})
	return nil
}

// sum adds in order.
func sum(values []float64) float64 {
	var total float64
	for _, v := range values {
		total += v
	}
	return total
}

func (w crew) descend(c *device.Call) error {
	p, v, out := floats(c.In[0]), floats(c.In[1]), floats(c.Out)
	step := float32(1)
	if rate := operand(c, 2); rate != nil {
		step = rate[0]
	}
	w.ranges(len(out), func(from, to int) {
		for i := from; i < to; i++ {
			out[i] = p[i] - step*v[i]
		}
	})
	return nil
}

func (w crew) count(c *device.Call) error {
	floats(c.Out)[0] = floats(c.In[0])[0] + 1
	return nil
}

func (w crew) adamMean(c *device.Call) error {
	m, p, grad, out := floats(c.In[0]), floats(c.In[1]), floats(c.In[2]), floats(c.Out)
	beta, rest, decay := float32(c.Attr.Factor), float32(1-c.Attr.Factor), float32(c.Attr.Decay)
	w.ranges(len(out), func(from, to int) {
		for i := from; i < to; i++ {
			out[i] = beta*m[i] + rest*(grad[i]+decay*p[i])
		}
	})
	return nil
}

func (w crew) adamSquare(c *device.Call) error {
	v, p, grad, out := floats(c.In[0]), floats(c.In[1]), floats(c.In[2]), floats(c.Out)
	beta, rest, decay := float32(c.Attr.Factor), float32(1-c.Attr.Factor), float32(c.Attr.Decay)
	w.ranges(len(out), func(from, to int) {
		for i := from; i < to; i++ {
			u := grad[i] + decay*p[i]
			out[i] = beta*v[i] + rest*u*u
		}
	})
	return nil
}

func (w crew) adamDescend(c *device.Call) error {
	p, m, v, out := floats(c.In[0]), floats(c.In[1]), floats(c.In[2]), floats(c.Out)
	rate, step := float64(floats(c.In[3])[0]), float64(floats(c.In[4])[0])
	ofMean := float32(rate / (1 - math.Pow(c.Attr.Beta1, step)))
	ofSquare := float32(1 / (1 - math.Pow(c.Attr.Beta2, step)))
	eps := float32(c.Attr.Eps)
	w.ranges(len(out), func(from, to int) {
		for i := from; i < to; i++ {
			out[i] = p[i] - ofMean*m[i]/(float32(math.Sqrt(float64(ofSquare*v[i])))+eps)
		}
	})
	return nil
}
