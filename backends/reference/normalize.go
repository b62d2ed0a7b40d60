package reference

import (
	"math"

	"github.com/goclr/goclr/backends/graph"
)

// channels returns how often each channel of a tensor [N, C] or [N, C, H, W] occurs, and a function from occurrence i
// of channel c to its index.
func channels(shape []int) (count int, index func(c, i int) int) {
	area := graph.Size(shape[2:])
	return shape[0] * area, func(c, i int) int { return (i/area*shape[1]+c)*area + i%area }
}

func moments(n *graph.Node, in [][]float64, out []float64) {
	x, features := in[0], n.Shape[1]
	count, at := channels(n.In[0].Shape)
	for c := range features {
		var sum, squares float64
		for i := range count {
			sum += x[at(c, i)]
		}
		mean := sum / float64(count)
		for i := range count {
			d := x[at(c, i)] - mean
			squares += d * d
		}
		out[c], out[features+c] = mean, squares/float64(count)
	}
}

func normalize(n *graph.Node, in [][]float64, out []float64) {
	x, moments, gamma, beta, add := in[0], in[1], in[2], in[3], in[4]
	count, at := channels(n.Shape)
	for c := range n.Shape[1] {
		for i := range count {
			y := standardized(x[at(c, i)], moments, c, n.Attr.Eps) * gamma[c]
			if beta != nil {
				y += beta[c]
			}
			if add != nil {
				y += add[at(c, i)]
			}
			if n.Attr.ReLU {
				y = max(0, y)
			}
			out[at(c, i)] = y
		}
	}
}

// standardized is the h of Graph.NormalizeGradInput for an element x of channel c.
func standardized(x float64, moments []float64, c int, eps float64) float64 {
	mean, variance := moments[c], moments[len(moments)/2+c]
	return (x - mean) / math.Sqrt(variance+eps)
}

func normalizeGradInput(n *graph.Node, in [][]float64, out []float64) {
	x, moments, gamma, dy := in[0], in[1], in[2], in[3]
	features := n.Shape[1]
	count, at := channels(n.Shape)
	for c := range features {
		var meanDy, meanDyH float64
		for i := range count {
			d := dy[at(c, i)]
			meanDy += d / float64(count)
			meanDyH += d * standardized(x[at(c, i)], moments, c, n.Attr.Eps) / float64(count)
		}
		factor := gamma[c] / math.Sqrt(moments[features+c]+n.Attr.Eps)
		for i := range count {
			h := standardized(x[at(c, i)], moments, c, n.Attr.Eps)
			out[at(c, i)] = factor * (dy[at(c, i)] - meanDy - h*meanDyH)
		}
	}
}

func normalizeGradParams(n *graph.Node, in [][]float64, out []float64) {
	x, moments, dy := in[0], in[1], in[2]
	features := n.Shape[1]
	count, at := channels(n.In[0].Shape)
	for c := range features {
		for i := range count {
			d := dy[at(c, i)]
			out[c] += d * standardized(x[at(c, i)], moments, c, n.Attr.Eps)
			out[features+c] += d
		}
	}
}
