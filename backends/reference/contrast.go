package reference

import (
	"math"

	"github.com/goclr/goclr/backends/graph"
)

func dot(a, b []float64) float64 {
	var sum float64
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func length(a []float64) float64 { return math.Sqrt(dot(a, a)) }

// vectors cuts the rows of a matrix [N, F].
func vectors(shape []int, data []float64) [][]float64 {
	rows := make([][]float64, shape[0])
	for i := range rows {
		rows[i] = data[i*shape[1] : (i+1)*shape[1]]
	}
	return rows
}

func l2Normalize(n *graph.Node, in [][]float64, out []float64) {
	y := vectors(n.Shape, out)
	for i, x := range vectors(n.Shape, in[0]) {
		for j := range x {
			y[i][j] = x[j] / max(length(x), n.Attr.Eps)
		}
	}
}

func l2NormalizeGrad(n *graph.Node, in [][]float64, out []float64) {
	x, y, dy := vectors(n.Shape, in[0]), vectors(n.Shape, in[1]), vectors(n.Shape, in[2])
	for i, dx := range vectors(n.Shape, out) {
		along := dot(y[i], dy[i])
		for j := range dx {
			dx[j] = (dy[i][j] - y[i][j]*along) / max(length(x[i]), n.Attr.Eps)
		}
	}
}

// similarities returns dot(z[i], z[j])/temperature for all pairs of rows; that of a row with itself is -Inf, so that
// it takes no part in a maximum or a softmax.
func similarities(z [][]float64, temperature float64) [][]float64 {
	s := make([][]float64, len(z))
	for i := range z {
		s[i] = make([]float64, len(z))
		for j := range z {
			s[i][j] = dot(z[i], z[j]) / temperature
		}
		s[i][i] = math.Inf(-1)
	}
	return s
}

func ntXent(n *graph.Node, in [][]float64, out []float64) {
	z := vectors(n.In[0].Shape, in[0])
	for i, s := range similarities(z, n.Attr.Temperature) {
		out[0] += (logSumExp(s) - s[i^1]) / float64(len(z))
	}
}

func logSumExp(s []float64) float64 {
	largest, sum := math.Inf(-1), 0.0
	for _, v := range s {
		largest = max(largest, v)
	}
	for _, v := range s {
		sum += math.Exp(v - largest)
	}
	return largest + math.Log(sum)
}

// ntXentGrad: with p[i][j] the softmax of row i, similarity i,j has the gradient (p[i][j] - [j is the positive of i])
// / N, and each similarity pulls on both of its rows.
func ntXentGrad(n *graph.Node, in [][]float64, out []float64) {
	z, dz := vectors(n.Shape, in[0]), vectors(n.Shape, out)
	for i, s := range similarities(z, n.Attr.Temperature) {
		total := logSumExp(s)
		for j := range z {
			d := math.Exp(s[j] - total)
			if j == i^1 {
				d--
			}
			pull(z, dz, i, j, d/(float64(len(z))*n.Attr.Temperature))
		}
	}
}

// pull adds to dz what a gradient d of dot(z[i], z[j]) makes of it.
func pull(z, dz [][]float64, i, j int, d float64) {
	for f := range z[i] {
		dz[i][f] += d * z[j][f]
		dz[j][f] += d * z[i][f]
	}
}

func pairAccuracy(n *graph.Node, in [][]float64, out []float64) {
	z := vectors(n.In[0].Shape, in[0])
	for i, s := range similarities(z, 1) {
		nearest := i ^ 1
		for j := range s {
			if s[j] > s[nearest] {
				nearest = j
			}
		}
		if nearest == i^1 {
			out[0] += 1 / float64(len(z))
		}
	}
}

func spread(n *graph.Node, in [][]float64, out []float64) {
	z := vectors(n.In[0].Shape, in[0])
	rows, features := float64(len(z)), float64(len(z[0]))
	for f := range z[0] {
		var mean, variance float64
		for i := range z {
			mean += z[i][f] / rows
		}
		for i := range z {
			variance += (z[i][f] - mean) * (z[i][f] - mean) / rows
		}
		out[0] += math.Sqrt(features) * math.Sqrt(variance) / features
	}
}
