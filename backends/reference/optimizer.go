package reference

import "github.com/goclr/goclr/backends/graph"

func velocity(n *graph.Node, in [][]float64, out []float64) {
	v, p, grad := in[0], in[1], in[2]
	for i := range out {
		out[i] = n.Attr.Factor*v[i] + grad[i] + n.Attr.Decay*p[i]
	}
}

func larsVelocity(n *graph.Node, in [][]float64, out []float64) {
	v, p, grad, rate := in[0], in[1], in[2], in[3][0]
	u := make([]float64, len(out))
	for i := range u {
		u[i] = grad[i] + n.Attr.Decay*p[i]
	}
	ratio := 1.0
	if n.Attr.Trust > 0 && length(p) > 0 && length(u) > 0 {
		ratio = n.Attr.Trust * length(p) / length(u)
	}
	for i := range out {
		out[i] = n.Attr.Factor*v[i] + rate*ratio*u[i]
	}
}

func descend(_ *graph.Node, in [][]float64, out []float64) {
	p, v, rate := in[0], in[1], 1.0
	if in[2] != nil {
		rate = in[2][0]
	}
	for i := range out {
		out[i] = p[i] - rate*v[i]
	}
}
