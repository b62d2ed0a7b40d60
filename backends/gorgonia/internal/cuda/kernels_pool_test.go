package cuda

import (
	"testing"

	"github.com/goclr/goclr/backends/graph"
)

func TestMaxPool(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		for _, s := range []struct {
			shape          []int
			k, stride, pad int
		}{
			{[]int{2, 3, 8, 8}, 3, 2, 1},
			{[]int{2, 16, 7, 10}, 3, 2, 1},
			{[]int{1, 8, 5, 5}, 3, 1, 1},
			{[]int{2, 2, 6, 4}, 2, 2, 0},
			{[]int{3, 64, 9, 11}, 3, 2, 1},
			{[]int{2, 132, 5, 4}, 3, 3, 0},
			{[]int{2, 4, 9, 7}, 2, 3, 1},
			{[]int{2, 8, 18, 17}, 16, 1, 7},
		} {
			x, ties := p.shifted(-5, 1, s.shape...), p.computed(p.ReLU(p.shifted(-1, 1, s.shape...)))
			for _, x := range []*graph.Node{x, ties} {
				n := p.computed(p.MaxPool(x, s.k, s.stride, s.pad))
				p.check(n, p.call(n), p.values[n])
				back := p.MaxPoolGrad(x, n, p.operand(n.Shape...), s.k, s.stride, s.pad)
				p.check(back, p.call(back), p.want(back))
			}
		}
	})
}

func TestMaxPoolGradRefusesLargeWindows(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		x := p.operand(1, 8, 17, 17)
		y := p.computed(p.MaxPool(x, 17, 1, 0))
		n := p.MaxPoolGrad(x, y, p.operand(y.Shape...), 17, 1, 0)
		if err := p.kernels[n.Op].Run(p.call(n)); err == nil {
			t.Error("MaxPoolGrad numbered 289 elements by bytes")
		}
	})
}

func TestAvgPool(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		for _, shape := range append(imageShapes, []int{3, 512, 4, 4}, []int{2, 40, 7, 7}) {
			n := p.AvgPool(p.operand(shape...))
			p.check(n, p.call(n), p.want(n))
			back := p.AvgPoolGrad(p.operand(shape[:2]...), shape)
			p.check(back, p.call(back), p.want(back))
		}
	})
}
