package reference

import "github.com/goclr/goclr/backends/graph"

func matMul(n *graph.Node, in [][]float64, out []float64) {
	rows, cols := n.Shape[0], n.Shape[1]
	inner := len(in[0]) / rows
	a := matrix(in[0], rows, inner, n.Attr.TransA)
	b := matrix(in[1], inner, cols, n.Attr.TransB)
	for i := range rows {
		for j := range cols {
			for k := range inner {
				out[i*cols+j] += a(i, k) * b(k, j)
			}
		}
	}
}

// matrix returns the accessor of a matrix of rows by cols, which is stored transposed if so said.
func matrix(data []float64, rows, cols int, transposed bool) func(i, j int) float64 {
	if transposed {
		return func(i, j int) float64 { return data[j*rows+i] }
	}
	return func(i, j int) float64 { return data[i*cols+j] }
}

func addBias(n *graph.Node, in [][]float64, out []float64) {
	for i, x := range in[0] {
		out[i] = x + in[1][i%n.Shape[1]]
	}
}

func sumRows(n *graph.Node, in [][]float64, out []float64) {
	for i, x := range in[0] {
		out[i%n.Shape[0]] += x
	}
}

func add(_ *graph.Node, in [][]float64, out []float64) {
	for i := range out {
		out[i] = in[0][i] + in[1][i]
	}
}

func scale(n *graph.Node, in [][]float64, out []float64) {
	for i, x := range in[0] {
		out[i] = n.Attr.Factor * x
	}
}

func lerp(n *graph.Node, in [][]float64, out []float64) {
	a, b := in[0], in[1]
	for i := range out {
		out[i] = a[i] + (b[i]-a[i])*n.Attr.Factor
	}
}

func row(n *graph.Node, in [][]float64, out []float64) {
	copy(out, in[0][n.Attr.Index*n.Shape[0]:])
}

func stack(_ *graph.Node, in [][]float64, out []float64) {
	copy(out, in[0])
	copy(out[len(in[0]):], in[1])
}
