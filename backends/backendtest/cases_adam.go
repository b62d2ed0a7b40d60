package backendtest

import (
	"fmt"
	"math"

	"github.com/goclr/goclr/backends/graph"
)

// adam has the operations of that optimiser: from the first step, whose bias is the largest, to one whose count float32 just holds.
func adam() []operation {
	all := []operation{
		{graph.OpCount, "", func(b *builder) []*graph.Node { return one(b.Count(b.shifted(41, 0))) }},
		{graph.OpCount, "of none", func(b *builder) []*graph.Node { return one(b.Count(b.Slot("steps"))) }},
	}
	for _, shape := range [][]int{{6}, {4, 3}, {8, 3, 3, 3}} {
		for _, c := range []struct{ beta, decay float64 }{{0.9, 0}, {0.999, 0.01}, {0, 0.1}} {
			name := fmt.Sprintf("%v beta %g decay %g", shape, c.beta, c.decay)
			all = append(all,
				operation{graph.OpAdamMean, name, func(b *builder) []*graph.Node {
					return one(b.AdamMean(b.operand(shape...), b.operand(shape...), b.operand(shape...), c.beta, c.decay))
				}},
				operation{graph.OpAdamSquare, name, func(b *builder) []*graph.Node {
					return one(b.AdamSquare(b.operand(shape...), b.operand(shape...), b.operand(shape...), c.beta, c.decay))
				}})
		}
		for _, step := range []float64{1, 2, 10, 1000, 1 << 24} {
			for _, beta1 := range []float64{0.9, 0} {
				name := fmt.Sprintf("%v step %g beta %g", shape, step, beta1)
				all = append(all, operation{graph.OpAdamDescend, name, func(b *builder) []*graph.Node {
					p, m := b.shifted(0, 1e-3, shape...), b.operand(shape...) // small, so that the update is what is compared
					v := b.value(func() float64 { return math.Exp(b.random.NormFloat64()) }, shape...)
					return one(b.AdamDescend(p, m, v, b.Rate(), b.shifted(step, 0), beta1, 0.999, 1e-8))
				}})
			}
		}
		all = append(all, operation{graph.OpAdamDescend, fmt.Sprintf("%v of a zero gradient", shape), func(b *builder) []*graph.Node {
			p, m, v := b.operand(shape...), b.shifted(0, 0, shape...), b.shifted(0, 0, shape...)
			return one(b.AdamDescend(p, m, v, b.Rate(), b.shifted(3, 0), 0.9, 0.999, 1e-8))
		}})
	}
	return all
}
