package cpu

import (
	"math"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// channelBlock is the most channels that one task sums up.
const channelBlock = 32

// eachChannels calls task for ranges of at most channelBlock channels of a tensor [N, C] or [N, C, H, W]: several channels in one
// range where their planes are so small that they share cache lines.
func (w crew) eachChannels(shape []int, task func(first, last int)) {
	channels := shape[1]
	block := max(1, channelBlock/graph.Size(shape[2:]))
	w.each(graph.Size(shape), ceil(channels, block), func(_, i int) { task(i*block, min(channels, (i+1)*block)) })
}

// eachPlane calls task for each plane of a tensor [N, C] or [N, C, H, W], which is elements from to to, and channel c.
func (w crew) eachPlane(shape []int, task func(c, from, to int)) {
	channels, area := shape[1], graph.Size(shape[2:])
	w.each(graph.Size(shape), shape[0], func(_, image int) {
		for c := range channels {
			from := (image*channels + c) * area
			task(c, from, from+area)
		}
	})
}

// moments sums differences to the first element of a channel, so that a mean far from zero leaves the variance its digits.
func (w crew) moments(c *device.Call) error {
	x, out, shape := floats(c.In[0]), floats(c.Out), c.In[0].Shape
	channels, area := shape[1], graph.Size(shape[2:])
	w.eachChannels(shape, func(first, last int) {
		var sums, squares [channelBlock]float64
		for image := range shape[0] {
			for channel := first; channel < last; channel++ {
				s, q := deviations(planeOf(x, image*channels+channel, area), float64(x[channel*area]))
				sums[channel-first] += s
				squares[channel-first] += q
			}
		}
		count := float64(shape[0] * area)
		for channel := first; channel < last; channel++ {
			mean := sums[channel-first] / count
			out[channel] = float32(float64(x[channel*area]) + mean)
			out[channels+channel] = float32(max(0, squares[channel-first]/count-mean*mean))
		}
	})
	return nil
}

// deviations returns the sum of x - center and of its square. Four sums at a time keep the adders busy.
func deviations(x []float32, center float64) (sum, squares float64) {
	var s0, s1, s2, s3, q0, q1, q2, q3 float64
	for ; len(x) >= 4; x = x[4:] {
		d0, d1, d2, d3 := float64(x[0])-center, float64(x[1])-center, float64(x[2])-center, float64(x[3])-center
		s0 += d0
		s1 += d1
		s2 += d2
		s3 += d3
		q0 += d0 * d0
		q1 += d1 * d1
		q2 += d2 * d2
		q3 += d3 * d3
	}
	for _, v := range x {
		d := float64(v) - center
		s0 += d
		q0 += d * d
	}
	return (s0 + s1) + (s2 + s3), (q0 + q1) + (q2 + q3)
}

// inverse is 1 / sqrt(variance + eps) of a channel.
func inverse(moments []float32, channel int, eps float64) float64 {
	return 1 / math.Sqrt(float64(moments[len(moments)/2+channel])+eps)
}

// normalizeScratch has a factor and a shift for each channel.
func normalizeScratch(c *device.Call) int { return 2 * floatsBytes(c.Out.Shape[1]) }

func (w crew) normalize(c *device.Call) error {
	x, moments, gamma, beta, add, out := floats(c.In[0]), floats(c.In[1]), floats(c.In[2]), operand(c, 3), operand(c, 4), floats(c.Out)
	d := desk{c.Scratch}
	factors, shifts := d.floats(len(gamma)), d.floats(len(gamma))
	for channel, g := range gamma {
		factors[channel] = float32(float64(g) * inverse(moments, channel, c.Attr.Eps))
	}
	if copy(shifts, beta) == 0 {
		clear(shifts)
	}
	w.eachPlane(c.Out.Shape, func(channel, from, to int) {
		mean, factor, shift := moments[channel], factors[channel], shifts[channel]
		x, out := x[from:to], out[from:to]
		if add != nil {
			add := add[from:to]
			for i, v := range x {
				out[i] = (v-mean)*factor + shift + add[i]
			}
		} else {
			for i, v := range x {
				out[i] = (v-mean)*factor + shift
			}
		}
		if c.Attr.ReLU {
			for i, v := range out {
				out[i] = max(0, v)
			}
		}
	})
	return nil
}

func (w crew) normalizeGradParams(c *device.Call) error {
	w.sumGradients(c.In[0].Shape, floats(c.In[0]), floats(c.In[1]), floats(c.In[2]), operand(c, 3), c.Attr.Eps, floats(c.Out))
	return nil
}

// sumGradients sets params [2, C] to the gradients of gamma and beta. y may be nil.
func (w crew) sumGradients(shape []int, x, moments, dy, y []float32, eps float64, params []float32) {
	channels, area := shape[1], graph.Size(shape[2:])
	w.eachChannels(shape, func(first, last int) {
		var products, sums [channelBlock]float64
		for image := range shape[0] {
			for channel := first; channel < last; channel++ {
				plane := image*channels + channel
				var yPlane []float32
				if y != nil {
					yPlane = planeOf(y, plane, area)
				}
				p, s := correlations(planeOf(x, plane, area), planeOf(dy, plane, area), yPlane, float64(moments[channel]))
				products[channel-first] += p
				sums[channel-first] += s
			}
		}
		for channel := first; channel < last; channel++ {
			params[channel] = float32(products[channel-first] * inverse(moments, channel, eps))
			params[channels+channel] = float32(sums[channel-first])
		}
	})
}

// correlations returns the sum of dy * (x - mean) and that of dy, over the elements with y > 0; all if y is nil.
func correlations(x, dy, y []float32, mean float64) (products, sum float64) {
	if y == nil {
		var p0, p1, s0, s1 float64
		n := len(x) &^ 1
		dy := dy[:len(x)]
		for i := 0; i < n; i += 2 {
			d0, d1 := float64(dy[i]), float64(dy[i+1])
			p0 += d0 * (float64(x[i]) - mean)
			p1 += d1 * (float64(x[i+1]) - mean)
			s0 += d0
			s1 += d1
		}
		for i := n; i < len(x); i++ {
			p0 += float64(dy[i]) * (float64(x[i]) - mean)
			s0 += float64(dy[i])
		}
		return p0 + p1, s0 + s1
	}
	y, dy = y[:len(x)], dy[:len(x)]
	for i, v := range x {
		if y[i] > 0 {
			d := float64(dy[i])
			products += d * (float64(v) - mean)
			sum += d
		}
	}
	return products, sum
}

// normalizeGradInputScratch has a factor and a slope for each channel, and the gradients of gamma and beta for a call without them.
func normalizeGradInputScratch(c *device.Call) int { return 4 * floatsBytes(c.Out.Shape[1]) }

func (w crew) normalizeGradInput(c *device.Call) error {
	x, moments, gamma, dy := floats(c.In[0]), floats(c.In[1]), floats(c.In[2]), floats(c.In[3])
	params, y, out, shape := operand(c, 4), operand(c, 5), floats(c.Out), c.Out.Shape
	channels, count := len(gamma), float64(len(x)/len(gamma))
	d := desk{c.Scratch}
	factors, slopes := d.floats(channels), d.floats(channels)
	if params == nil {
		params = d.floats(2 * channels)
		w.sumGradients(shape, x, moments, dy, y, c.Attr.Eps, params)
	}
	for channel, g := range gamma {
		inv := inverse(moments, channel, c.Attr.Eps)
		factors[channel] = float32(float64(g) * inv)
		slopes[channel] = float32(float64(params[channel]) / count * inv)
	}
	w.eachPlane(shape, func(channel, from, to int) {
		mean, factor, slope := moments[channel], factors[channel], slopes[channel]
		meanDy := params[channels+channel] / float32(count)
		x, dy, out := x[from:to], dy[from:to], out[from:to]
		if y == nil {
			for i, d := range dy {
				out[i] = factor * (d - meanDy - (x[i]-mean)*slope)
			}
			return
		}
		y := y[from:to]
		for i, d := range dy {
			if !(y[i] > 0) {
				d = 0
			}
			out[i] = factor * (d - meanDy - (x[i]-mean)*slope)
		}
	})
	return nil
}
