package cpu

import (
	"fmt"
	"slices"

	"github.com/goclr/goclr/backends/gorgonia/internal/devicetest"
	"github.com/goclr/goclr/backends/graph"
)

func one(n *graph.Node) []*graph.Node { return []*graph.Node{n} }

func plainCases() []devicetest.Case {
	return slices.Concat(
		devicetest.Normalizations([]int{8, 5}, []int{64, 300}, []int{3, 4, 5, 7}, []int{2, 17, 1, 3}, []int{4, 16, 2, 2}, []int{4, 6, 33, 31}),
		devicetest.Plain(1), convolutionCases(), poolCases())
}

func convolutionCases() []devicetest.Case {
	var all []devicetest.Case
	for _, c := range []struct{ n, in, h, w, out, k, stride, pad int }{
		{2, 3, 8, 8, 5, 1, 1, 0},
		{3, 8, 7, 5, 16, 1, 2, 0},
		{2, 16, 6, 8, 8, 1, 2, 0},
		{2, 3, 9, 7, 4, 3, 1, 1},
		{2, 16, 8, 6, 17, 3, 1, 1},
		{1, 8, 5, 9, 8, 3, 2, 1},
		{3, 5, 8, 8, 3, 3, 2, 1},
		{2, 4, 1, 1, 4, 3, 1, 1},
		{2, 3, 6, 5, 2, 3, 1, 0},
		{2, 3, 15, 18, 8, 7, 2, 3},
		{1, 2, 9, 8, 3, 7, 1, 3},
		{2, 32, 4, 4, 32, 3, 1, 1},
		{2, 3, 16, 11, 4, 2, 3, 1}, // the windows leave gaps
		{1, 2, 5, 5, 3, 5, 4, 2},
		{2, 1, 2, 9, 2, 1, 1, 2},    // windows of padding alone
		{40, 7, 3, 3, 70, 3, 1, 1},  // panels across images, and more filters than a tile
		{24, 25, 6, 7, 5, 3, 1, 1},  // more elements of a filter than a tile
		{5, 3, 20, 20, 66, 4, 2, 1}, // several panels for an image
		{2, 6, 5, 5, 140, 3, 1, 1},  // more filters than a group
		{80, 1, 16, 16, 2, 1, 1, 0}, // images whose gradients are added up in several runs
	} {
		name := fmt.Sprintf("%dx%dx%dx%d to %d by %d stride %d pad %d", c.n, c.in, c.h, c.w, c.out, c.k, c.stride, c.pad)
		operands := func(p *devicetest.Problem) (x, w, dy *graph.Node) {
			x, w = p.Operand(c.n, c.in, c.h, c.w), p.Operand(c.out, c.in, c.k, c.k)
			return x, w, p.Operand(p.Conv(x, w, c.stride, c.pad).Shape...)
		}
		all = append(all,
			devicetest.Case{Op: graph.OpConv, Name: name, Build: func(p *devicetest.Problem) []*graph.Node {
				x, w, _ := operands(p)
				return one(p.Conv(x, w, c.stride, c.pad))
			}},
			devicetest.Case{Op: graph.OpConvGradInput, Name: name, Build: func(p *devicetest.Problem) []*graph.Node {
				x, w, dy := operands(p)
				return one(p.ConvGradInput(dy, w, x.Shape, c.stride, c.pad))
			}},
			devicetest.Case{Op: graph.OpConvGradFilter, Name: name, Build: func(p *devicetest.Problem) []*graph.Node {
				x, _, dy := operands(p)
				return one(p.ConvGradFilter(x, dy, c.k, c.stride, c.pad))
			}})
	}
	return all
}

func poolCases() []devicetest.Case {
	var all []devicetest.Case
	for _, c := range []struct{ n, channels, h, w, k, stride, pad int }{
		{2, 3, 8, 8, 3, 2, 1},
		{2, 16, 7, 10, 3, 2, 1},
		{1, 8, 5, 5, 3, 1, 1},
		{2, 2, 6, 4, 2, 2, 0},
		{2, 2, 9, 11, 2, 3, 0},
		{4, 9, 31, 33, 3, 2, 1},
	} {
		name := fmt.Sprintf("%dx%dx%dx%d by %d stride %d pad %d", c.n, c.channels, c.h, c.w, c.k, c.stride, c.pad)
		for _, mean := range []float64{-5, -1} {
			x := func(p *devicetest.Problem) *graph.Node {
				x := p.Shifted(mean, 1, c.n, c.channels, c.h, c.w)
				if mean == -1 {
					x = p.Computed(p.ReLU(x)) // mostly zeros: equal maxima
				}
				return x
			}
			all = append(all,
				devicetest.Case{Op: graph.OpMaxPool, Name: fmt.Sprintf("%s around %g", name, mean), Build: func(p *devicetest.Problem) []*graph.Node {
					return one(p.MaxPool(x(p), c.k, c.stride, c.pad))
				}},
				devicetest.Case{Op: graph.OpMaxPoolGrad, Name: fmt.Sprintf("%s around %g", name, mean), Build: func(p *devicetest.Problem) []*graph.Node {
					x := x(p)
					y := p.Computed(p.MaxPool(x, c.k, c.stride, c.pad))
					return one(p.MaxPoolGrad(x, y, p.Operand(y.Shape...), c.k, c.stride, c.pad))
				}})
		}
	}
	for _, shape := range [][]int{{2, 3, 8, 8}, {3, 17, 7, 5}, {2, 4, 1, 1}, {3, 40, 15, 14}} {
		all = append(all,
			devicetest.Case{Op: graph.OpAvgPool, Name: fmt.Sprint(shape), Build: func(p *devicetest.Problem) []*graph.Node { return one(p.AvgPool(p.Operand(shape...))) }},
			devicetest.Case{Op: graph.OpAvgPoolGrad, Name: fmt.Sprint(shape), Build: func(p *devicetest.Problem) []*graph.Node {
				return one(p.AvgPoolGrad(p.Operand(shape[:2]...), shape))
			}})
	}
	return all
}
