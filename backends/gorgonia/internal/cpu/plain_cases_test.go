package cpu

import (
	"fmt"
	"math"

	"github.com/goclr/goclr/backends/graph"
)

// A plainCase computes some nodes of one operation.
type plainCase struct {
	op    graph.Op
	name  string
	build func(p *problem) []*graph.Node
}

func one(n *graph.Node) []*graph.Node { return []*graph.Node{n} }

func plainCases() []plainCase {
	var all []plainCase
	for _, group := range [][]plainCase{
		convolutionCases(), normalizationCases(), poolCases(), linearCases(), contrastCases(), labelCases(), optimizerCases(),
	} {
		all = append(all, group...)
	}
	return all
}

func convolutionCases() []plainCase {
	var all []plainCase
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
		operands := func(p *problem) (x, w, dy *graph.Node) {
			x, w = p.operand(c.n, c.in, c.h, c.w), p.operand(c.out, c.in, c.k, c.k)
			return x, w, p.operand(p.Conv(x, w, c.stride, c.pad).Shape...)
		}
		all = append(all,
			plainCase{graph.OpConv, name, func(p *problem) []*graph.Node {
				x, w, _ := operands(p)
				return one(p.Conv(x, w, c.stride, c.pad))
			}},
			plainCase{graph.OpConvGradInput, name, func(p *problem) []*graph.Node {
				x, w, dy := operands(p)
				return one(p.ConvGradInput(dy, w, x.Shape, c.stride, c.pad))
			}},
			plainCase{graph.OpConvGradFilter, name, func(p *problem) []*graph.Node {
				x, _, dy := operands(p)
				return one(p.ConvGradFilter(x, dy, c.k, c.stride, c.pad))
			}})
	}
	return all
}

func normalizationCases() []plainCase {
	var all []plainCase
	for _, shape := range [][]int{{8, 5}, {64, 300}, {3, 4, 5, 7}, {2, 17, 1, 3}, {4, 16, 2, 2}, {4, 6, 33, 31}} {
		for _, mean := range []float64{0, 100, 1000} {
			for _, eps := range []float64{1e-5, 0.5} {
				if eps > 0.1 && mean > 0 {
					continue
				}
				name := fmt.Sprintf("%v around %g, eps %g", shape, mean, eps)
				input := func(p *problem) (x, moments *graph.Node) {
					x = p.shifted(mean, 1, shape...)
					return x, p.computed(p.Moments(x))
				}
				all = append(all,
					plainCase{graph.OpMoments, name, func(p *problem) []*graph.Node {
						return one(p.Moments(p.shifted(mean, 1, shape...)))
					}},
					plainCase{graph.OpNormalizeGradInput, name, func(p *problem) []*graph.Node {
						x, m := input(p)
						return one(p.NormalizeGradInput(x, m, p.operand(shape[1]), p.operand(shape...), eps))
					}},
					plainCase{graph.OpNormalizeGradParams, name, func(p *problem) []*graph.Node {
						x, m := input(p)
						return one(p.NormalizeGradParams(x, m, p.operand(shape...), eps))
					}})
				for options := range 8 {
					name := fmt.Sprintf("%s, options %03b", name, options)
					all = append(all, plainCase{graph.OpNormalize, name, func(p *problem) []*graph.Node {
						x, m := input(p)
						var beta, add *graph.Node
						if options&1 != 0 {
							beta = p.operand(shape[1])
						}
						if options&2 != 0 {
							add = p.operand(shape...)
						}
						return one(p.Normalize(x, m, p.operand(shape[1]), beta, add, options&4 != 0, eps))
					}})
				}
			}
		}
	}
	return append(all, plainCase{graph.OpMoments, "constant", func(p *problem) []*graph.Node {
		return one(p.Moments(p.shifted(0.3, 0, 4, 3, 2, 2)))
	}})
}

func poolCases() []plainCase {
	var all []plainCase
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
			x := func(p *problem) *graph.Node {
				x := p.shifted(mean, 1, c.n, c.channels, c.h, c.w)
				if mean == -1 {
					x = p.computed(p.ReLU(x)) // mostly zeros: equal maxima
				}
				return x
			}
			all = append(all,
				plainCase{graph.OpMaxPool, fmt.Sprintf("%s around %g", name, mean), func(p *problem) []*graph.Node {
					return one(p.MaxPool(x(p), c.k, c.stride, c.pad))
				}},
				plainCase{graph.OpMaxPoolGrad, fmt.Sprintf("%s around %g", name, mean), func(p *problem) []*graph.Node {
					x := x(p)
					y := p.computed(p.MaxPool(x, c.k, c.stride, c.pad))
					return one(p.MaxPoolGrad(x, y, p.operand(y.Shape...), c.k, c.stride, c.pad))
				}})
		}
	}
	for _, shape := range [][]int{{2, 3, 8, 8}, {3, 17, 7, 5}, {2, 4, 1, 1}, {3, 40, 15, 14}} {
		all = append(all,
			plainCase{graph.OpAvgPool, fmt.Sprint(shape), func(p *problem) []*graph.Node { return one(p.AvgPool(p.operand(shape...))) }},
			plainCase{graph.OpAvgPoolGrad, fmt.Sprint(shape), func(p *problem) []*graph.Node {
				return one(p.AvgPoolGrad(p.operand(shape[:2]...), shape))
			}})
	}
	return all
}

func linearCases() []plainCase {
	var all []plainCase
	for _, c := range []struct{ m, k, n int }{{4, 3, 5}, {1, 7, 1}, {16, 32, 9}, {130, 70, 200}, {65, 33, 193}} {
		for options := range 4 {
			ta, tb := options&1 != 0, options&2 != 0
			name := fmt.Sprintf("%d by %d by %d, transposed %t %t", c.m, c.k, c.n, ta, tb)
			all = append(all, plainCase{graph.OpMatMul, name, func(p *problem) []*graph.Node {
				a, b := p.operand(c.m, c.k), p.operand(c.k, c.n)
				if ta {
					a = p.operand(c.k, c.m)
				}
				if tb {
					b = p.operand(c.n, c.k)
				}
				return one(p.MatMul(a, b, ta, tb))
			}})
		}
	}
	for _, shape := range [][]int{{5, 3}, {2, 3, 4, 5}, {6}, {}, {3, 5, 50, 51}} {
		name := fmt.Sprint(shape)
		all = append(all,
			plainCase{graph.OpReLU, name, func(p *problem) []*graph.Node { return one(p.ReLU(p.operand(shape...))) }},
			plainCase{graph.OpReLUGrad, name, func(p *problem) []*graph.Node {
				return one(p.ReLUGrad(p.computed(p.ReLU(p.operand(shape...))), p.operand(shape...)))
			}},
			plainCase{graph.OpAdd, name, func(p *problem) []*graph.Node { return one(p.Add(p.operand(shape...), p.operand(shape...))) }},
			plainCase{graph.OpScale, name, func(p *problem) []*graph.Node { return one(p.Scale(p.operand(shape...), -1.7)) }},
			plainCase{graph.OpLerp, name, func(p *problem) []*graph.Node { return one(p.Lerp(p.operand(shape...), p.operand(shape...), 0.1)) }})
	}
	for _, shape := range [][]int{{5, 3}, {1, 1}, {200, 131}} {
		name := fmt.Sprint(shape)
		all = append(all,
			plainCase{graph.OpAddBias, name, func(p *problem) []*graph.Node {
				return one(p.AddBias(p.operand(shape...), p.operand(shape[1])))
			}},
			plainCase{graph.OpSumRows, name, func(p *problem) []*graph.Node { return one(p.SumRows(p.operand(shape...))) }},
			plainCase{graph.OpRow, name, func(p *problem) []*graph.Node {
				x := p.operand(shape...)
				return []*graph.Node{p.Row(x, 0), p.Row(x, shape[0]-1)}
			}},
			plainCase{graph.OpStack, name, func(p *problem) []*graph.Node { return one(p.Stack(p.operand(shape[0]), p.operand(shape[0]))) }})
	}
	return all
}

func contrastCases() []plainCase {
	var all []plainCase
	add := func(op graph.Op, name string, slack float64, build func(p *problem) *graph.Node) {
		all = append(all, plainCase{op, name, func(p *problem) []*graph.Node {
			p.slack = slack
			return one(build(p))
		}})
	}
	views := map[string]func(p *problem) *graph.Node{}
	for _, shape := range [][]int{{4, 3}, {6, 5}, {16, 8}, {64, 32}, {10, 128}, {150, 40}} {
		views[fmt.Sprint(shape)] = func(p *problem) *graph.Node { return p.unit(shape[0], shape[1]) }
	}
	for name, z := range map[string][]float64{
		"negatives nearer than positives": {1, 0, -1, 0, 0, 1, 0, -1},
		"negatives as near as positives":  {1, 0, 0, 1, 1, 0, 0, -1},
		"equal negatives":                 {1, 0, 0.8, 0.6, 0, 1, 0, 1},
		"beyond the margin":               {1, 0, 1, 0, -1, 0, -1, 0},
		"three of four":                   {1, 0, 0.8, 0.6, -1, 0, 0.6, -0.8},
	} {
		views[name] = func(p *problem) *graph.Node { return p.drawn(func(i int) float64 { return z[i] }, 4, 2) }
	}
	for name, z := range views {
		for _, temperature := range []float64{1, 0.5, 0.07, 0.01} {
			name := fmt.Sprintf("%s at %g", name, temperature)
			slack := 1 + 0.1/temperature // a similarity is divided by the temperature, and so is its error
			add(graph.OpNTXent, name, slack, func(p *problem) *graph.Node { return p.NTXent(z(p), temperature) })
			add(graph.OpNTXentGrad, name, slack, func(p *problem) *graph.Node { return p.NTXentGrad(z(p), temperature) })
			for _, semiHard := range []bool{false, true} {
				name := fmt.Sprintf("%s, semi-hard %t", name, semiHard)
				add(graph.OpNTLogistic, name, slack, func(p *problem) *graph.Node { return p.NTLogistic(z(p), temperature, semiHard) })
				add(graph.OpNTLogisticGrad, name, slack, func(p *problem) *graph.Node { return p.NTLogisticGrad(z(p), temperature, semiHard) })
			}
		}
		for _, margin := range []float64{0.05, 0.5, 1.6} {
			for _, semiHard := range []bool{false, true} {
				name := fmt.Sprintf("%s by %g, semi-hard %t", name, margin, semiHard)
				add(graph.OpTriplet, name, 1, func(p *problem) *graph.Node { return p.Triplet(z(p), margin, semiHard) })
				add(graph.OpTripletGrad, name, 1, func(p *problem) *graph.Node { return p.TripletGrad(z(p), margin, semiHard) })
			}
		}
		add(graph.OpPairAccuracy, name, 1, func(p *problem) *graph.Node { return p.PairAccuracy(z(p)) })
		add(graph.OpSpread, name, 1, func(p *problem) *graph.Node { return p.Spread(z(p)) })
	}
	for _, shape := range [][]int{{4, 3}, {16, 8}, {10, 128}, {200, 100}} {
		for _, size := range []float64{0, 1e-8, 1, 1e8} {
			name := fmt.Sprintf("%v of size %g", shape, size)
			add(graph.OpL2Normalize, name, 1, func(p *problem) *graph.Node { return p.L2Normalize(p.shifted(0, size, shape...)) })
			add(graph.OpL2NormalizeGrad, name, 1, func(p *problem) *graph.Node {
				x := p.shifted(0, size, shape...)
				return p.L2NormalizeGrad(x, p.computed(p.L2Normalize(x)), p.operand(shape...))
			})
		}
	}
	add(graph.OpSpread, "collapsed", 1, func(p *problem) *graph.Node { return p.Spread(p.shifted(0.25, 0, 8, 16)) })
	return all
}

func labelCases() []plainCase {
	var all []plainCase
	for _, shape := range [][]int{{4, 2}, {7, 10}, {300, 100}} {
		for _, size := range []float64{0, 1, 300} {
			name := fmt.Sprintf("%v of size %g", shape, size)
			logits := func(p *problem) (logits, labels *graph.Node) {
				return p.shifted(0, size, shape...), p.classes(shape[0], shape[1])
			}
			all = append(all,
				plainCase{graph.OpCrossEntropy, name, func(p *problem) []*graph.Node { return one(p.CrossEntropy(logits(p))) }},
				plainCase{graph.OpCrossEntropyGrad, name, func(p *problem) []*graph.Node { return one(p.CrossEntropyGrad(logits(p))) }},
				plainCase{graph.OpLabelAccuracy, name, func(p *problem) []*graph.Node { return one(p.LabelAccuracy(logits(p))) }})
		}
	}
	return all
}

func optimizerCases() []plainCase {
	var all []plainCase
	add := func(op graph.Op, name string, build func(p *problem) *graph.Node) {
		all = append(all, plainCase{op, name, func(p *problem) []*graph.Node { return one(build(p)) }})
	}
	rate := func(p *problem) *graph.Node { return p.drawn(func(int) float64 { return 0.25 }) }
	add(graph.OpCount, "", func(p *problem) *graph.Node { return p.Count(p.shifted(41, 0)) })
	for _, shape := range [][]int{{6}, {4, 3}, {8, 3, 3, 3}, {40, 1000}} {
		name := fmt.Sprint(shape)
		x := func(p *problem) *graph.Node { return p.operand(shape...) }
		for _, decay := range []float64{0, 0.01} {
			add(graph.OpVelocity, fmt.Sprintf("%s decay %g", name, decay), func(p *problem) *graph.Node {
				return p.Velocity(x(p), x(p), x(p), 0.9, decay)
			})
		}
		add(graph.OpDescend, name, func(p *problem) *graph.Node { return p.Descend(x(p), x(p), nil) })
		add(graph.OpDescend, name+" at a rate", func(p *problem) *graph.Node { return p.Descend(x(p), x(p), rate(p)) })
		for _, c := range []struct{ v, p, grad, decay, trust float64 }{
			{0, 1, 1, 0.1, 0.5}, {0, 1, 10, 1e-4, 0.001}, {0, 0, 1, 0.1, 0.5}, {0, 1, 0, 0, 0.5}, {0, 1, 1, 0.1, 0}, {1, 1, 1, 0.1, 0.5},
		} {
			add(graph.OpLARSVelocity, fmt.Sprintf("%s %v", name, c), func(p *problem) *graph.Node {
				v, param, grad := p.shifted(0, c.v, shape...), p.shifted(0, c.p, shape...), p.shifted(0, c.grad, shape...)
				return p.LARSVelocity(v, param, grad, rate(p), 0.9, c.decay, c.trust)
			})
		}
		for _, c := range []struct{ beta, decay float64 }{{0.9, 0}, {0.999, 0.01}, {0, 0.1}} {
			name := fmt.Sprintf("%s beta %g decay %g", name, c.beta, c.decay)
			add(graph.OpAdamMean, name, func(p *problem) *graph.Node { return p.AdamMean(x(p), x(p), x(p), c.beta, c.decay) })
			add(graph.OpAdamSquare, name, func(p *problem) *graph.Node { return p.AdamSquare(x(p), x(p), x(p), c.beta, c.decay) })
		}
		for _, step := range []float64{1, 2, 10, 1000, 1 << 24} {
			for _, beta1 := range []float64{0.9, 0} {
				add(graph.OpAdamDescend, fmt.Sprintf("%s step %g beta %g", name, step, beta1), func(p *problem) *graph.Node {
					v := p.drawn(func(int) float64 { return math.Exp(p.random.NormFloat64()) }, shape...)
					return p.AdamDescend(p.shifted(0, 1e-3, shape...), x(p), v, rate(p), p.shifted(step, 0), beta1, 0.999, 1e-8)
				})
			}
		}
	}
	return all
}
