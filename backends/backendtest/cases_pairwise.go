package backendtest

import (
	"fmt"

	"github.com/goclr/goclr/backends/graph"
)

// pairwise has the losses that compare a view with one negative at a time, and their gradients.
func pairwise() []operation {
	var all []operation
	logistic := func(name string, z func(b *builder) *graph.Node, temperature float64, semiHard bool) {
		slack := 1 + 0.1/temperature // as in contrasts
		all = append(all,
			operation{graph.OpNTLogistic, name, func(b *builder) []*graph.Node {
				b.slack = slack
				return one(b.NTLogistic(z(b), temperature, semiHard))
			}},
			operation{graph.OpNTLogisticGrad, name, func(b *builder) []*graph.Node {
				b.slack = slack
				return one(b.NTLogisticGrad(z(b), temperature, semiHard))
			}})
	}
	triplet := func(name string, z func(b *builder) *graph.Node, margin float64, semiHard bool) {
		all = append(all,
			operation{graph.OpTriplet, name, func(b *builder) []*graph.Node { return one(b.Triplet(z(b), margin, semiHard)) }},
			operation{graph.OpTripletGrad, name, func(b *builder) []*graph.Node { return one(b.TripletGrad(z(b), margin, semiHard)) }})
	}
	for _, semiHard := range []bool{false, true} {
		for _, shape := range [][]int{{4, 3}, {6, 5}, {16, 8}, {64, 32}, {10, 128}} {
			unit := func(b *builder) *graph.Node { return b.unit(shape[0], shape[1]) }
			for _, temperature := range []float64{1, 0.1, 0.02} {
				logistic(fmt.Sprintf("%v at %g, semi-hard %t", shape, temperature, semiHard), unit, temperature, semiHard)
			}
			for _, margin := range []float64{0.05, 0.8, 1.6} {
				triplet(fmt.Sprintf("%v by %g, semi-hard %t", shape, margin, semiHard), unit, margin, semiHard)
			}
		}
		for _, c := range []struct {
			name string
			z    []float64 // [4, 2]
		}{
			// The second view of each pair is on the other side, and the other pair between.
			{"negatives nearer than positives", []float64{1, 0, -1, 0, 0, 1, 0, -1}},
			{"negatives as near as positives", []float64{1, 0, 0, 1, 1, 0, 0, -1}},
			{"equal negatives", []float64{1, 0, 0.8, 0.6, 0, 1, 0, 1}},
			{"beyond the margin", []float64{1, 0, 1, 0, -1, 0, -1, 0}},
		} {
			given := func(b *builder) *graph.Node {
				next := 0
				return b.value(func() float64 { next++; return c.z[next-1] }, 4, 2)
			}
			logistic(fmt.Sprintf("%s, semi-hard %t", c.name, semiHard), given, 0.5, semiHard)
			triplet(fmt.Sprintf("%s, semi-hard %t", c.name, semiHard), given, 0.5, semiHard)
		}
	}
	return all
}
