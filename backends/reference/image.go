package reference

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// imageOf returns the value of Image node n for a batch, and how many of its rows the batch has. Rows that a smaller batch lacks
// are zero; only where partial is set may it be smaller.
func imageOf(n *graph.Node, batch arrow.Record, partial bool) (value []float64, rows int, err error) {
	pix, shape, err := pipeline.Views(batch)
	if err != nil {
		return nil, 0, err
	}
	rows = int(batch.NumRows()) * shape[0]
	want, height, width := n.Shape[0], n.Shape[2], n.Shape[3]
	if shape[1] != height || shape[2] != width || shape[3] != 3 {
		return nil, 0, fmt.Errorf("the batch has views of %dx%dx%d, the model takes %dx%dx3: make them of the size that the model was built for",
			shape[1], shape[2], shape[3], height, width)
	}
	if rows > want || rows < want && !partial {
		return nil, 0, fmt.Errorf("the batch has %d rows of %d views, %d in all, the model takes %d: use the batch size that it was built for",
			batch.NumRows(), shape[0], rows, want)
	}
	value = make([]float64, n.Size())
	area := height * width
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
