package reference

import (
	"math"

	"github.com/goclr/goclr/backends/graph"
)

func count(_ *graph.Node, in [][]float64, out []float64) { out[0] = in[0][0] + 1 }

func adamMean(n *graph.Node, in [][]float64, out []float64) {
	m, p, grad, beta := in[0], in[1], in[2], n.Attr.Factor
	for i := range out {
		out[i] = beta*m[i] + (1-beta)*(grad[i]+n.Attr.Decay*p[i])
	}
}

func adamSquare(n *graph.Node, in [][]float64, out []float64) {
	v, p, grad, beta := in[0], in[1], in[2], n.Attr.Factor
	for i := range out {
		u := grad[i] + n.Attr.Decay*p[i]
		out[i] = beta*v[i] + (1-beta)*u*u
	}
}

func adamDescend(n *graph.Node, in [][]float64, out []float64) {
	p, m, v, rate, step, a := in[0], in[1], in[2], in[3][0], in[4][0], n.Attr
	for i := range out {
		mean := m[i] / (1 - math.Pow(a.Beta1, step))
		square := v[i] / (1 - math.Pow(a.Beta2, step))
		out[i] = p[i] - rate*mean/(math.Sqrt(square)+a.Eps)
	}
}
