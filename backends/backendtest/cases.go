package backendtest

import (
	"fmt"

	"github.com/goclr/goclr/backends/graph"
)

// operations returns the cases of testOperations, at least one for each operation of package graph.
func operations() []operation {
	var all []operation
	for _, group := range [][]operation{leaves(), convolutions(), normalizations(), pools(), linear(), contrasts(), labels(), updates()} {
		all = append(all, group...)
	}
	return all
}

// one makes a list of one result.
func one(n *graph.Node) []*graph.Node { return []*graph.Node{n} }

func leaves() []operation {
	named := func(add func(b *builder) *graph.Node) func(b *builder) []*graph.Node {
		return func(b *builder) []*graph.Node { return one(b.hold(add(b), b.random.NormFloat64)) }
	}
	return []operation{
		{graph.OpImage, "", func(b *builder) []*graph.Node { return one(b.image()) }},
		{graph.OpParam, "", named(func(b *builder) *graph.Node { return b.Param(b.fresh(), 2, 3) })},
		{graph.OpState, "", named(func(b *builder) *graph.Node { return b.State(b.fresh(), 2, 3) })},
		{graph.OpState, "scalar", named(func(b *builder) *graph.Node { return b.State(b.fresh()) })},
		{graph.OpSlot, "", named(func(b *builder) *graph.Node { return b.Slot(b.fresh(), 2, 3) })},
		{graph.OpSlot, "zero", func(b *builder) []*graph.Node { return one(b.Slot("slot", 2, 3)) }},
		{graph.OpRate, "", func(b *builder) []*graph.Node { return one(b.Rate()) }},
	}
}

func convolutions() []operation {
	var all []operation
	for _, c := range []struct{ n, in, h, w, out, k, stride, pad int }{
		{2, 3, 8, 8, 5, 1, 1, 0},
		{3, 8, 7, 5, 16, 1, 2, 0}, // the shortcut of a block that halves the image
		{2, 16, 6, 8, 8, 1, 2, 0}, // the same, with a last row and column that nothing reads
		{2, 3, 9, 7, 4, 3, 1, 1},
		{2, 16, 8, 6, 17, 3, 1, 1},
		{1, 8, 5, 9, 8, 3, 2, 1},
		{3, 5, 8, 8, 3, 3, 2, 1},
		{2, 4, 1, 1, 4, 3, 1, 1}, // the filter is larger than the image
		{2, 3, 6, 5, 2, 3, 1, 0},
		{2, 3, 15, 18, 8, 7, 2, 3}, // the first layer of a ResNet for large images
		{1, 2, 9, 8, 3, 7, 1, 3},
		{2, 32, 4, 4, 32, 3, 1, 1},
	} {
		name := fmt.Sprintf("%dx%dx%dx%d to %d by %d stride %d pad %d", c.n, c.in, c.h, c.w, c.out, c.k, c.stride, c.pad)
		all = append(all,
			operation{graph.OpConv, name, func(b *builder) []*graph.Node {
				return one(b.Conv(b.operand(c.n, c.in, c.h, c.w), b.operand(c.out, c.in, c.k, c.k), c.stride, c.pad))
			}},
			operation{graph.OpConvGradInput, name, func(b *builder) []*graph.Node {
				x, w := b.operand(c.n, c.in, c.h, c.w), b.operand(c.out, c.in, c.k, c.k)
				dy := b.operand(b.Conv(x, w, c.stride, c.pad).Shape...)
				return one(b.ConvGradInput(dy, w, x.Shape, c.stride, c.pad))
			}},
			operation{graph.OpConvGradFilter, name, func(b *builder) []*graph.Node {
				x, w := b.operand(c.n, c.in, c.h, c.w), b.operand(c.out, c.in, c.k, c.k)
				dy := b.operand(b.Conv(x, w, c.stride, c.pad).Shape...)
				return one(b.ConvGradFilter(x, dy, c.k, c.stride, c.pad))
			}})
	}
	return all
}

func normalizations() []operation {
	const eps = 1e-5
	var all []operation
	for _, shape := range [][]int{{8, 5}, {3, 4, 5, 7}, {2, 17, 1, 3}, {4, 16, 2, 2}} {
		for _, mean := range []float64{0, 100} {
			// An element loses mean/deviation of its digits as soon as the mean is subtracted.
			slack := 1 + mean/5
			name := fmt.Sprintf("%v around %g", shape, mean)
			input := func(b *builder) (x, moments *graph.Node) {
				b.slack = slack
				x = b.shifted(mean, 1, shape...)
				return x, b.Moments(x)
			}
			all = append(all,
				operation{graph.OpMoments, name, func(b *builder) []*graph.Node {
					_, m := input(b)
					return []*graph.Node{b.Row(m, 0), b.Row(m, 1)}
				}},
				operation{graph.OpNormalize, name, func(b *builder) []*graph.Node {
					x, m := input(b)
					return one(b.Normalize(x, m, b.operand(shape[1]), b.operand(shape[1]), b.operand(shape...), true, eps))
				}},
				operation{graph.OpNormalizeGradInput, name, func(b *builder) []*graph.Node {
					x, m := input(b)
					return one(b.NormalizeGradInput(x, m, b.operand(shape[1]), b.operand(shape...), eps))
				}},
				operation{graph.OpNormalizeGradParams, name, func(b *builder) []*graph.Node {
					x, m := input(b)
					g := b.NormalizeGradParams(x, m, b.operand(shape...), eps)
					return []*graph.Node{b.Row(g, 0), b.Row(g, 1)}
				}})
		}
		for options := range 8 {
			hasBeta, hasAdd, relu := options&1 != 0, options&2 != 0, options&4 != 0
			name := fmt.Sprintf("%v beta %t add %t relu %t, running moments", shape, hasBeta, hasAdd, relu)
			all = append(all, operation{graph.OpNormalize, name, func(b *builder) []*graph.Node {
				x, gamma := b.operand(shape...), b.operand(shape[1])
				var beta, add *graph.Node
				if hasBeta {
					beta = b.operand(shape[1])
				}
				if hasAdd {
					add = b.operand(shape...)
				}
				return one(b.Normalize(x, b.running(shape[1]), gamma, beta, add, relu, eps))
			}})
		}
	}
	return append(all,
		operation{graph.OpMoments, "1000 deviations from zero", func(b *builder) []*graph.Node {
			b.slack = 10
			m := b.Moments(b.shifted(1000, 1, 6, 3, 4, 4))
			return []*graph.Node{b.Row(m, 0), b.Row(m, 1)}
		}},
		operation{graph.OpNormalize, "constant channel", func(b *builder) []*graph.Node {
			x := b.shifted(1, 0, 4, 3, 2, 2)
			return one(b.Normalize(x, b.Moments(x), b.operand(3), b.operand(3), nil, false, eps))
		}},
		operation{graph.OpNormalize, "large eps", func(b *builder) []*graph.Node {
			x := b.operand(4, 3)
			return one(b.Normalize(x, b.Moments(x), b.operand(3), nil, nil, false, 0.5))
		}},
		operation{graph.OpNormalizeGradInput, "large eps", func(b *builder) []*graph.Node {
			x := b.operand(4, 3)
			return one(b.NormalizeGradInput(x, b.Moments(x), b.operand(3), b.operand(4, 3), 0.5))
		}},
		operation{graph.OpNormalizeGradParams, "large eps", func(b *builder) []*graph.Node {
			x := b.operand(4, 3)
			return one(b.NormalizeGradParams(x, b.Moments(x), b.operand(4, 3), 0.5))
		}})
}

func pools() []operation {
	var all []operation
	for _, c := range []struct{ n, channels, h, w, k, stride, pad int }{
		{2, 3, 8, 8, 3, 2, 1}, // that of a ResNet
		{2, 16, 7, 10, 3, 2, 1},
		{1, 8, 5, 5, 3, 1, 1},
		{2, 2, 6, 4, 2, 2, 0},
	} {
		shape := []int{c.n, c.channels, c.h, c.w}
		name := fmt.Sprintf("%v by %d stride %d pad %d", shape, c.k, c.stride, c.pad)
		all = append(all,
			operation{graph.OpMaxPool, name, func(b *builder) []*graph.Node {
				return one(b.MaxPool(b.shifted(-5, 1, shape...), c.k, c.stride, c.pad))
			}},
			operation{graph.OpMaxPoolGrad, name, func(b *builder) []*graph.Node {
				x := b.operand(shape...)
				y := b.MaxPool(x, c.k, c.stride, c.pad)
				return one(b.MaxPoolGrad(x, y, b.operand(y.Shape...), c.k, c.stride, c.pad))
			}},
			operation{graph.OpMaxPoolGrad, name + ", equal maxima", func(b *builder) []*graph.Node {
				x := b.ReLU(b.shifted(-1, 1, shape...)) // mostly zeros, as after a ReLU
				y := b.MaxPool(x, c.k, c.stride, c.pad)
				return one(b.MaxPoolGrad(x, y, b.operand(y.Shape...), c.k, c.stride, c.pad))
			}})
	}
	for _, shape := range [][]int{{2, 3, 8, 8}, {3, 17, 7, 5}, {2, 4, 1, 1}} {
		all = append(all,
			operation{graph.OpAvgPool, fmt.Sprint(shape), func(b *builder) []*graph.Node { return one(b.AvgPool(b.operand(shape...))) }},
			operation{graph.OpAvgPoolGrad, fmt.Sprint(shape), func(b *builder) []*graph.Node {
				return one(b.AvgPoolGrad(b.operand(shape[:2]...), shape))
			}})
	}
	return all
}

func linear() []operation {
	var all []operation
	for _, c := range []struct{ m, k, n int }{{4, 3, 5}, {1, 7, 1}, {16, 32, 9}} {
		for options := range 4 {
			ta, tb := options&1 != 0, options&2 != 0
			name := fmt.Sprintf("%d by %d by %d, transposed %t %t", c.m, c.k, c.n, ta, tb)
			all = append(all, operation{graph.OpMatMul, name, func(b *builder) []*graph.Node {
				first, second := []int{c.m, c.k}, []int{c.k, c.n}
				if ta {
					first = []int{c.k, c.m}
				}
				if tb {
					second = []int{c.n, c.k}
				}
				return one(b.MatMul(b.operand(first...), b.operand(second...), ta, tb))
			}})
		}
	}
	for _, shape := range [][]int{{5, 3}, {2, 3, 4, 5}, {6}, {}} {
		name := fmt.Sprint(shape)
		all = append(all,
			operation{graph.OpReLU, name, func(b *builder) []*graph.Node { return one(b.ReLU(b.operand(shape...))) }},
			operation{graph.OpReLUGrad, name, func(b *builder) []*graph.Node {
				return one(b.ReLUGrad(b.ReLU(b.operand(shape...)), b.operand(shape...)))
			}},
			operation{graph.OpAdd, name, func(b *builder) []*graph.Node { return one(b.Add(b.operand(shape...), b.operand(shape...))) }},
			operation{graph.OpScale, name, func(b *builder) []*graph.Node { return one(b.Scale(b.operand(shape...), -1.7)) }},
			operation{graph.OpLerp, name, func(b *builder) []*graph.Node {
				return one(b.Lerp(b.operand(shape...), b.operand(shape...), 0.1))
			}})
	}
	return append(all,
		operation{graph.OpAddBias, "", func(b *builder) []*graph.Node { return one(b.AddBias(b.operand(5, 3), b.operand(3))) }},
		operation{graph.OpSumRows, "", func(b *builder) []*graph.Node { return one(b.SumRows(b.operand(5, 3))) }},
		operation{graph.OpRow, "", func(b *builder) []*graph.Node {
			x := b.operand(3, 4)
			return []*graph.Node{b.Row(x, 0), b.Row(x, 2)}
		}},
		operation{graph.OpStack, "", func(b *builder) []*graph.Node { return one(b.Stack(b.operand(4), b.operand(4))) }})
}

func contrasts() []operation {
	var all []operation
	for _, c := range []struct {
		rows, features int
		temperature    float64
	}{{4, 3, 0.5}, {6, 5, 0.1}, {16, 8, 1}, {64, 32, 0.07}, {10, 128, 0.5}, {8, 4, 0.01}} {
		name := fmt.Sprintf("%dx%d at %g", c.rows, c.features, c.temperature)
		slack := 1 + 0.1/c.temperature // a similarity is divided by the temperature, and so is its error
		all = append(all,
			operation{graph.OpNTXent, name, func(b *builder) []*graph.Node {
				b.slack = slack
				return one(b.NTXent(b.unit(c.rows, c.features), c.temperature))
			}},
			operation{graph.OpNTXentGrad, name, func(b *builder) []*graph.Node {
				b.slack = slack
				return one(b.NTXentGrad(b.unit(c.rows, c.features), c.temperature))
			}})
	}
	for _, shape := range [][]int{{4, 3}, {16, 8}, {10, 128}} {
		name := fmt.Sprint(shape)
		all = append(all,
			operation{graph.OpL2Normalize, name, func(b *builder) []*graph.Node { return one(b.L2Normalize(b.operand(shape...))) }},
			operation{graph.OpL2NormalizeGrad, name, func(b *builder) []*graph.Node {
				x := b.operand(shape...)
				return one(b.L2NormalizeGrad(x, b.L2Normalize(x), b.operand(shape...)))
			}},
			operation{graph.OpPairAccuracy, name, func(b *builder) []*graph.Node {
				return one(b.PairAccuracy(b.unit(shape[0], shape[1])))
			}},
			operation{graph.OpSpread, name, func(b *builder) []*graph.Node { return one(b.Spread(b.unit(shape[0], shape[1]))) }})
	}
	return append(all,
		operation{graph.OpL2Normalize, "zero", func(b *builder) []*graph.Node {
			return one(b.L2Normalize(b.shifted(0, 0, 2, 3)))
		}},
		operation{graph.OpL2Normalize, "short and long", func(b *builder) []*graph.Node {
			return []*graph.Node{b.L2Normalize(b.shifted(0, 1e-8, 2, 3)), b.L2Normalize(b.shifted(0, 1e8, 2, 3))}
		}},
		operation{graph.OpPairAccuracy, "three of four", func(b *builder) []*graph.Node {
			rows := []float64{1, 0, 0.8, 0.6, -1, 0, 0.6, -0.8} // the last is nearer to the first than to its positive
			return one(b.PairAccuracy(b.value(func() float64 { v := rows[0]; rows = rows[1:]; return v }, 4, 2)))
		}},
		operation{graph.OpSpread, "collapsed", func(b *builder) []*graph.Node {
			b.slack = 100 // the root of a variance of one rounding error
			return one(b.Spread(b.shifted(0.25, 0, 8, 16)))
		}})
}

func updates() []operation {
	var all []operation
	for _, shape := range [][]int{{6}, {4, 3}, {8, 3, 3, 3}} {
		name := fmt.Sprint(shape)
		all = append(all,
			operation{graph.OpVelocity, name, func(b *builder) []*graph.Node {
				return one(b.Velocity(b.operand(shape...), b.operand(shape...), b.operand(shape...), 0.9, 0.01))
			}},
			operation{graph.OpVelocity, name + " without decay", func(b *builder) []*graph.Node {
				return one(b.Velocity(b.operand(shape...), b.operand(shape...), b.operand(shape...), 0.9, 0))
			}},
			operation{graph.OpDescend, name, func(b *builder) []*graph.Node {
				return one(b.Descend(b.operand(shape...), b.operand(shape...), nil))
			}},
			operation{graph.OpDescend, name + " at a rate", func(b *builder) []*graph.Node {
				return one(b.Descend(b.operand(shape...), b.operand(shape...), b.Rate()))
			}})
		// The velocity is zero in these, so that a wrong ratio cannot hide behind it.
		for _, c := range []struct {
			name         string
			p, grad      float64 // standard deviations
			decay, trust float64
		}{
			{"", 1, 1, 0.1, 0.5},
			{" with small trust", 1, 10, 1e-4, 0.001},
			{" of a zero parameter", 0, 1, 0.1, 0.5},
			{" of a zero gradient", 1, 0, 0, 0.5},
			{" without trust", 1, 1, 0.1, 0},
		} {
			all = append(all, operation{graph.OpLARSVelocity, name + c.name, func(b *builder) []*graph.Node {
				p, grad := b.shifted(0, c.p, shape...), b.shifted(0, c.grad, shape...)
				return one(b.LARSVelocity(b.shifted(0, 0, shape...), p, grad, b.Rate(), 0.9, c.decay, c.trust))
			}})
		}
		all = append(all, operation{graph.OpLARSVelocity, name + " with momentum", func(b *builder) []*graph.Node {
			return one(b.LARSVelocity(b.operand(shape...), b.operand(shape...), b.operand(shape...), b.Rate(), 0.9, 0.1, 0.5))
		}})
	}
	return all
}
