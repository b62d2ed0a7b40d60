package devicetest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/goclr/goclr/backends/graph"
)

// A Case computes some nodes of one operation.
type Case struct {
	Op    graph.Op
	Name  string
	Build func(p *Problem) []*graph.Node
}

func one(n *graph.Node) []*graph.Node { return []*graph.Node{n} }

// Plain returns the cases of what devices compute of tensors that are no images. lenience multiplies the tolerance where package reference
// itself is inexact, for kernels that are not in the same way.
func Plain(lenience float64) []Case {
	var all []Case
	for _, group := range [][]Case{linearCases(), contrastCases(lenience), labelCases(), optimizerCases()} {
		all = append(all, group...)
	}
	return all
}

// Normalizations returns the cases of batch normalisation of tensors of such shapes.
func Normalizations(shapes ...[]int) []Case {
	var all []Case
	for _, shape := range shapes {
		for _, mean := range []float64{0, 100, 1000} {
			for _, eps := range []float64{1e-5, 0.5} {
				if eps > 0.1 && mean > 0 {
					continue
				}
				name := fmt.Sprintf("%v around %g, eps %g", shape, mean, eps)
				input := func(p *Problem) (x, moments *graph.Node) {
					x = p.Shifted(mean, 1, shape...)
					return x, p.Computed(p.Moments(x))
				}
				all = append(all,
					Case{graph.OpMoments, name, func(p *Problem) []*graph.Node {
						return one(p.Moments(p.Shifted(mean, 1, shape...)))
					}},
					Case{graph.OpNormalizeGradInput, name, func(p *Problem) []*graph.Node {
						x, m := input(p)
						return one(p.NormalizeGradInput(x, m, p.Operand(shape[1]), p.Operand(shape...), eps))
					}},
					Case{graph.OpNormalizeGradParams, name, func(p *Problem) []*graph.Node {
						x, m := input(p)
						return one(p.NormalizeGradParams(x, m, p.Operand(shape...), eps))
					}})
				for options := range 8 {
					name := fmt.Sprintf("%s, options %03b", name, options)
					all = append(all, Case{graph.OpNormalize, name, func(p *Problem) []*graph.Node {
						x, m := input(p)
						var beta, add *graph.Node
						if options&1 != 0 {
							beta = p.Operand(shape[1])
						}
						if options&2 != 0 {
							add = p.Operand(shape...)
						}
						return one(p.Normalize(x, m, p.Operand(shape[1]), beta, add, options&4 != 0, eps))
					}})
				}
			}
		}
	}
	return append(all, Case{graph.OpMoments, "constant", func(p *Problem) []*graph.Node {
		return one(p.Moments(p.Shifted(0.3, 0, shapes[0]...)))
	}})
}

func linearCases() []Case {
	var all []Case
	for _, c := range []struct{ m, k, n int }{{4, 3, 5}, {1, 7, 1}, {16, 32, 9}, {130, 70, 200}, {64, 16, 64}, {65, 33, 193}, {3, 1000, 2}} {
		for options := range 4 {
			ta, tb := options&1 != 0, options&2 != 0
			name := fmt.Sprintf("%d by %d by %d, transposed %t %t", c.m, c.k, c.n, ta, tb)
			all = append(all, Case{graph.OpMatMul, name, func(p *Problem) []*graph.Node {
				a, b := p.Operand(c.m, c.k), p.Operand(c.k, c.n)
				if ta {
					a = p.Operand(c.k, c.m)
				}
				if tb {
					b = p.Operand(c.n, c.k)
				}
				return one(p.MatMul(a, b, ta, tb))
			}})
		}
	}
	for _, shape := range [][]int{{5, 3}, {2, 3, 4, 5}, {6}, {}, {3, 5, 50, 51}} {
		name := fmt.Sprint(shape)
		all = append(all,
			Case{graph.OpReLU, name, func(p *Problem) []*graph.Node { return one(p.ReLU(p.Operand(shape...))) }},
			Case{graph.OpReLUGrad, name, func(p *Problem) []*graph.Node {
				return one(p.ReLUGrad(p.Computed(p.ReLU(p.Operand(shape...))), p.Operand(shape...)))
			}},
			Case{graph.OpAdd, name, func(p *Problem) []*graph.Node { return one(p.Add(p.Operand(shape...), p.Operand(shape...))) }},
			Case{graph.OpScale, name, func(p *Problem) []*graph.Node { return one(p.Scale(p.Operand(shape...), -1.7)) }},
			Case{graph.OpLerp, name, func(p *Problem) []*graph.Node { return one(p.Lerp(p.Operand(shape...), p.Operand(shape...), 0.1)) }})
	}
	for _, shape := range [][]int{{5, 3}, {1, 1}, {200, 131}, {4200, 3}} {
		name := fmt.Sprint(shape)
		all = append(all,
			Case{graph.OpAddBias, name, func(p *Problem) []*graph.Node {
				return one(p.AddBias(p.Operand(shape...), p.Operand(shape[1])))
			}},
			Case{graph.OpSumRows, name, func(p *Problem) []*graph.Node { return one(p.SumRows(p.Operand(shape...))) }},
			Case{graph.OpRow, name, func(p *Problem) []*graph.Node {
				x := p.Operand(shape...)
				return []*graph.Node{p.Row(x, 0), p.Row(x, shape[0]-1)}
			}},
			Case{graph.OpStack, name, func(p *Problem) []*graph.Node { return one(p.Stack(p.Operand(shape[0]), p.Operand(shape[0]))) }})
	}
	return all
}

func contrastCases(lenience float64) []Case {
	var all []Case
	add := func(op graph.Op, name string, slack float64, build func(p *Problem) *graph.Node) {
		all = append(all, Case{op, name, func(p *Problem) []*graph.Node {
			p.Slack = slack
			return one(build(p))
		}})
	}
	views := map[string]func(p *Problem) *graph.Node{}
	for _, shape := range [][]int{{4, 3}, {6, 5}, {16, 8}, {64, 32}, {10, 128}, {150, 40}, {264, 6}} {
		views[fmt.Sprint(shape)] = func(p *Problem) *graph.Node { return p.Unit(shape[0], shape[1]) }
	}
	for name, z := range map[string][]float64{
		"negatives nearer than positives": {1, 0, -1, 0, 0, 1, 0, -1},
		"negatives as near as positives":  {1, 0, 0, 1, 1, 0, 0, -1},
		"equal negatives":                 {1, 0, 0.8, 0.6, 0, 1, 0, 1},
		"beyond the margin":               {1, 0, 1, 0, -1, 0, -1, 0},
		"three of four":                   {1, 0, 0.8, 0.6, -1, 0, 0.6, -0.8},
	} {
		views[name] = func(p *Problem) *graph.Node { return p.Drawn(func(i int) float64 { return z[i] }, 4, 2) }
	}
	for _, name := range slices.Sorted(maps.Keys(views)) { // each run has the same seeds
		z := views[name]
		for _, temperature := range []float64{1, 0.5, 0.07, 0.01} {
			name := fmt.Sprintf("%s at %g", name, temperature)
			slack := 1 + 0.1/temperature // a similarity is divided by the temperature, and so is its error
			ofReference := slack
			if strings.HasPrefix(name, "beyond") {
				ofReference *= lenience // the reference takes the logarithm of 1 + 1e-12
			}
			add(graph.OpNTXent, name, ofReference, func(p *Problem) *graph.Node { return p.NTXent(z(p), temperature) })
			add(graph.OpNTXentGrad, name, ofReference, func(p *Problem) *graph.Node { return p.NTXentGrad(z(p), temperature) })
			for _, semiHard := range []bool{false, true} {
				name := fmt.Sprintf("%s, semi-hard %t", name, semiHard)
				add(graph.OpNTLogistic, name, slack, func(p *Problem) *graph.Node { return p.NTLogistic(z(p), temperature, semiHard) })
				add(graph.OpNTLogisticGrad, name, slack, func(p *Problem) *graph.Node { return p.NTLogisticGrad(z(p), temperature, semiHard) })
			}
		}
		for _, margin := range []float64{0.05, 0.5, 1.6} {
			for _, semiHard := range []bool{false, true} {
				name := fmt.Sprintf("%s by %g, semi-hard %t", name, margin, semiHard)
				add(graph.OpTriplet, name, 1, func(p *Problem) *graph.Node { return p.Triplet(z(p), margin, semiHard) })
				add(graph.OpTripletGrad, name, 1, func(p *Problem) *graph.Node { return p.TripletGrad(z(p), margin, semiHard) })
			}
		}
		add(graph.OpPairAccuracy, name, 1, func(p *Problem) *graph.Node { return p.PairAccuracy(z(p)) })
		add(graph.OpSpread, name, 1, func(p *Problem) *graph.Node { return p.Spread(z(p)) })
	}
	for _, shape := range [][]int{{4, 3}, {16, 8}, {10, 128}, {200, 100}, {40, 300}} {
		for _, size := range []float64{0, 1e-8, 1, 1e8} {
			name := fmt.Sprintf("%v of size %g", shape, size)
			add(graph.OpL2Normalize, name, 1, func(p *Problem) *graph.Node { return p.L2Normalize(p.Shifted(0, size, shape...)) })
			add(graph.OpL2NormalizeGrad, name, 1, func(p *Problem) *graph.Node {
				x := p.Shifted(0, size, shape...)
				return p.L2NormalizeGrad(x, p.Computed(p.L2Normalize(x)), p.Operand(shape...))
			})
		}
	}
	add(graph.OpSpread, "collapsed", 1, func(p *Problem) *graph.Node { return p.Spread(p.Shifted(0.25, 0, 8, 16)) })
	return all
}

func labelCases() []Case {
	var all []Case
	for _, shape := range [][]int{{4, 2}, {7, 10}, {300, 100}, {20, 300}} {
		for _, size := range []float64{0, 1, 300} {
			name := fmt.Sprintf("%v of size %g", shape, size)
			logits := func(p *Problem) (logits, labels *graph.Node) {
				return p.Shifted(0, size, shape...), p.Classes(shape[0], shape[1])
			}
			all = append(all,
				Case{graph.OpCrossEntropy, name, func(p *Problem) []*graph.Node { return one(p.CrossEntropy(logits(p))) }},
				Case{graph.OpCrossEntropyGrad, name, func(p *Problem) []*graph.Node { return one(p.CrossEntropyGrad(logits(p))) }},
				Case{graph.OpLabelAccuracy, name, func(p *Problem) []*graph.Node { return one(p.LabelAccuracy(logits(p))) }})
		}
	}
	return all
}

func optimizerCases() []Case {
	var all []Case
	add := func(op graph.Op, name string, build func(p *Problem) *graph.Node) {
		all = append(all, Case{op, name, func(p *Problem) []*graph.Node { return one(build(p)) }})
	}
	rate := func(p *Problem) *graph.Node { return p.Drawn(func(int) float64 { return 0.25 }) }
	add(graph.OpCount, "", func(p *Problem) *graph.Node { return p.Count(p.Shifted(41, 0)) })
	for _, shape := range [][]int{{6}, {4, 3}, {8, 3, 3, 3}, {40, 1000}} {
		name := fmt.Sprint(shape)
		x := func(p *Problem) *graph.Node { return p.Operand(shape...) }
		for _, decay := range []float64{0, 0.01} {
			add(graph.OpVelocity, fmt.Sprintf("%s decay %g", name, decay), func(p *Problem) *graph.Node {
				return p.Velocity(x(p), x(p), x(p), 0.9, decay)
			})
		}
		add(graph.OpDescend, name, func(p *Problem) *graph.Node { return p.Descend(x(p), x(p), nil) })
		add(graph.OpDescend, name+" at a rate", func(p *Problem) *graph.Node { return p.Descend(x(p), x(p), rate(p)) })
		for _, c := range []struct{ v, p, grad, decay, trust float64 }{
			{0, 1, 1, 0.1, 0.5}, {0, 1, 10, 1e-4, 0.001}, {0, 0, 1, 0.1, 0.5}, {0, 1, 0, 0, 0.5}, {0, 1, 1, 0.1, 0}, {1, 1, 1, 0.1, 0.5},
		} {
			add(graph.OpLARSVelocity, fmt.Sprintf("%s %v", name, c), func(p *Problem) *graph.Node {
				v, param, grad := p.Shifted(0, c.v, shape...), p.Shifted(0, c.p, shape...), p.Shifted(0, c.grad, shape...)
				return p.LARSVelocity(v, param, grad, rate(p), 0.9, c.decay, c.trust)
			})
		}
		for _, c := range []struct{ beta, decay float64 }{{0.9, 0}, {0.999, 0.01}, {0, 0.1}} {
			name := fmt.Sprintf("%s beta %g decay %g", name, c.beta, c.decay)
			add(graph.OpAdamMean, name, func(p *Problem) *graph.Node { return p.AdamMean(x(p), x(p), x(p), c.beta, c.decay) })
			add(graph.OpAdamSquare, name, func(p *Problem) *graph.Node { return p.AdamSquare(x(p), x(p), x(p), c.beta, c.decay) })
		}
		for _, step := range []float64{1, 2, 10, 1000, 1 << 24} {
			for _, beta1 := range []float64{0.9, 0} {
				add(graph.OpAdamDescend, fmt.Sprintf("%s step %g beta %g", name, step, beta1), func(p *Problem) *graph.Node {
					v := p.Drawn(func(int) float64 { return math.Exp(p.random.NormFloat64()) }, shape...)
					return p.AdamDescend(p.Shifted(0, 1e-3, shape...), x(p), v, rate(p), p.Shifted(step, 0), beta1, 0.999, 1e-8)
				})
			}
		}
	}
	return all
}
