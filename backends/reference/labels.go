package reference

import (
	"math"

	"github.com/goclr/goclr/backends/graph"
)

func crossEntropy(n *graph.Node, in [][]float64, out []float64) {
	labels := in[1]
	for i, row := range vectors(n.In[0].Shape, in[0]) {
		out[0] += (logSumExp(row) - row[int(labels[i])]) / float64(len(labels))
	}
}

func crossEntropyGrad(n *graph.Node, in [][]float64, out []float64) {
	labels, d := in[1], vectors(n.Shape, out)
	for i, row := range vectors(n.Shape, in[0]) {
		total := logSumExp(row)
		for class := range row {
			d[i][class] = math.Exp(row[class]-total) / float64(len(labels))
		}
		d[i][int(labels[i])] -= 1 / float64(len(labels))
	}
}

func labelAccuracy(n *graph.Node, in [][]float64, out []float64) {
	labels := in[1]
	for i, row := range vectors(n.In[0].Shape, in[0]) {
		largest := 0
		for class := range row {
			if row[class] > row[largest] {
				largest = class
			}
		}
		if largest == int(labels[i]) {
			out[0] += 1 / float64(len(labels))
		}
	}
}
