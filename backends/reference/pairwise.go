package reference

import (
	"math"

	"github.com/goclr/goclr/backends/graph"
)

// negatives returns the rows that view i is to be told from, given its similarities: all but itself and its positive, or the
// semi-hard one, if there is one.
func negatives(s []float64, i int, semiHard bool) []int {
	var all, nearest []int
	for j := range s {
		if j == i || j == i^1 {
			continue
		}
		all = append(all, j)
		if s[j] < s[i^1] && (nearest == nil || s[j] > s[nearest[0]]) {
			nearest = []int{j}
		}
	}
	if semiHard {
		return nearest
	}
	return all
}

// softplus is log(1 + exp(x)), which is -log(sigmoid(-x)).
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func ntLogistic(n *graph.Node, in [][]float64, out []float64) {
	z := vectors(n.In[0].Shape, in[0])
	for i, s := range similarities(z, n.Attr.Temperature) {
		out[0] += softplus(-s[i^1]) / float64(len(z))
		others := negatives(s, i, n.Attr.SemiHard)
		for _, j := range others {
			out[0] += softplus(s[j]) / float64(len(z)*len(others))
		}
	}
}

func ntLogisticGrad(n *graph.Node, in [][]float64, out []float64) {
	z, dz := vectors(n.Shape, in[0]), vectors(n.Shape, out)
	scale := float64(len(z)) * n.Attr.Temperature
	for i, s := range similarities(z, n.Attr.Temperature) {
		pull(z, dz, i, i^1, -sigmoid(-s[i^1])/scale)
		others := negatives(s, i, n.Attr.SemiHard)
		for _, j := range others {
			pull(z, dz, i, j, sigmoid(s[j])/(scale*float64(len(others))))
		}
	}
}

func triplet(n *graph.Node, in [][]float64, out []float64) {
	z := vectors(n.In[0].Shape, in[0])
	for i, s := range similarities(z, 1) {
		others := negatives(s, i, n.Attr.SemiHard)
		for _, j := range others {
			out[0] += max(0, s[j]-s[i^1]+n.Attr.Margin) / float64(len(z)*len(others))
		}
	}
}

func tripletGrad(n *graph.Node, in [][]float64, out []float64) {
	z, dz := vectors(n.Shape, in[0]), vectors(n.Shape, out)
	for i, s := range similarities(z, 1) {
		others := negatives(s, i, n.Attr.SemiHard)
		for _, j := range others {
			if s[j]-s[i^1]+n.Attr.Margin > 0 {
				d := 1 / float64(len(z)*len(others))
				pull(z, dz, i, j, d)
				pull(z, dz, i, i^1, -d)
			}
		}
	}
}
