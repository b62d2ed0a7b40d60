package cuda

import (
	"testing"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

const eps = 1e-5

// imageShapes have whole vectors and not, channels for several tiles, and one pixel.
var imageShapes = [][]int{
	{3, 4, 5, 7}, {2, 17, 1, 3}, {4, 16, 2, 2}, {5, 3, 9, 9}, {2, 64, 8, 8}, {3, 8, 1, 1}, {2, 130, 3, 3}, {2, 132, 3, 2}, {3, 264, 5, 5},
	{2, 20, 9, 8},
}

// manyRows are so many that a grid with the least slabs would have too many blocks.
var manyRows = []int{1, 8, 260, 256}

func TestMoments(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		moments := func(mean float64, shape []int) {
			n := p.Moments(p.shifted(mean, 1, shape...))
			p.check(n, p.call(n), p.want(n))
		}
		for _, shape := range imageShapes {
			for _, mean := range []float64{0, 100, 1000} {
				moments(mean, shape)
			}
		}
		moments(1000, manyRows)
	})
}

func TestNormalize(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		for _, shape := range imageShapes {
			for options := range 8 {
				x, gamma := p.operand(shape...), p.operand(shape[1])
				var beta, add *graph.Node
				if options&1 != 0 {
					beta = p.operand(shape[1])
				}
				if options&2 != 0 {
					add = p.operand(shape...)
				}
				n := p.Normalize(x, p.running(shape[1]), gamma, beta, add, options&4 != 0, eps)
				p.check(n, p.call(n), p.want(n))
			}
		}
	})
}

func TestNormalizeFarFromZero(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		p.slack = 20
		x := p.shifted(100, 1, 4, 16, 3, 3)
		n := p.Normalize(x, p.computed(p.Moments(x)), p.operand(16), p.operand(16), nil, true, eps)
		p.check(n, p.call(n), p.want(n))
		constant := p.shifted(1, 0, 4, 3, 2, 2)
		n = p.Normalize(constant, p.computed(p.Moments(constant)), p.operand(3), p.operand(3), nil, false, eps)
		p.check(n, p.call(n), p.want(n))
	})
}

// TestNormalizeGradients takes dy as it is, and through the ReLU behind.
func TestNormalizeGradients(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		for _, shape := range append(imageShapes, manyRows) {
			x, gamma, dy := p.shifted(1, 2, shape...), p.operand(shape[1]), p.operand(shape...)
			m := p.computed(p.Moments(x))
			y := p.computed(p.Normalize(x, m, gamma, p.operand(shape[1]), nil, true, eps))
			for _, relu := range []bool{false, true} {
				gradient, behind := dy, device.Tensor{}
				if relu {
					gradient, behind = p.computed(p.ReLUGrad(y, dy)), p.tensor(y)
				}
				params := p.NormalizeGradParams(x, m, gradient, eps)
				c := p.call(params)
				c.In = []device.Tensor{p.tensor(x), p.tensor(m), p.tensor(dy), behind}
				p.slack = 2
				p.check(params, c, p.want(params))

				input := p.NormalizeGradInput(x, m, gamma, gradient, eps)
				sums := p.tensor(p.computed(params))
				c = p.call(input)
				c.In = []device.Tensor{p.tensor(x), p.tensor(m), p.tensor(gamma), p.tensor(dy), sums, behind}
				p.check(input, c, p.want(input))
			}
		}
	})
}

func TestNormalizeGradInputNeedsParams(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		x := p.operand(2, 3, 2, 2)
		n := p.NormalizeGradInput(x, p.running(3), p.operand(3), p.operand(2, 3, 2, 2), eps)
		if err := p.kernels[n.Op].Run(p.call(n)); err == nil {
			t.Error("NormalizeGradInput did without the gradients of its parameters")
		}
	})
}

// TestMomentsOfFewerRows gives a smaller batch the scratch of the whole one.
func TestMomentsOfFewerRows(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		for _, few := range []int{1, 3, 8} {
			whole, part := p.call(p.Moments(p.operand(9, 8, 91, 90))), p.Moments(p.operand(few, 8, 91, 90))
			c := p.call(part)
			c.Scratch = p.allocate(p.kernels[part.Op].Scratch(whole))
			p.check(part, c, p.want(part))
		}
	})
}
