package reference

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// imageOf returns the value of Image node n for a batch, and how many of its rows the batch has. Rows that
// the batch lacks in mode Eval are zero.
func imageOf(n *graph.Node, batch arrow.Record, m backends.Mode, labelled bool) (value []float64, rows int, err error) {
	pix, rows, err := backends.Views(n, batch, m, labelled)
	if err != nil {
		return nil, 0, err
	}
	value = make([]float64, n.Size())
	area := n.Shape[2] * n.Shape[3]
	for i := range rows {
		for p := range area {
			for c := range 3 {
				scaled := float64(pix[(i*area+p)*3+c]) / 255
				value[(i*3+c)*area+p] = (scaled - n.Attr.Mean[c]) / n.Attr.Std[c]
			}
		}
	}
	return value, rows, nil
}
