package reference

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// imageOf returns the value of Image node n for a batch, and how many of its rows the batch has. In mode Train the
// batch must fill them, with pairs unless it is labelled; in mode Eval it may be smaller, and the rows that it lacks are zero.
func imageOf(n *graph.Node, batch arrow.Record, m backends.Mode, labelled bool) (value []float64, rows int, err error) {
	pix, shape, err := pipeline.Views(batch)
	if err != nil {
		return nil, 0, err
	}
	rows = int(batch.NumRows()) * shape[0]
	want, height, width := n.Shape[0], n.Shape[2], n.Shape[3]
	if shape[1] != height || shape[2] != width || shape[3] != 3 {
		return nil, 0, fmt.Errorf("the batch has views of %dx%dx%d, the model takes %dx%dx3: make views of that size",
			shape[1], shape[2], shape[3], height, width)
	}
	if m == backends.Train && !labelled && shape[0] != 2 {
		return nil, 0, fmt.Errorf("the batch has %d views a row, training takes pairs: make them with pipeline.Pair", shape[0])
	}
	if rows > want || rows < want && m == backends.Train {
		return nil, 0, fmt.Errorf("the batch has %d rows of %d views, the model takes %d views: use the batch size it was built for",
			batch.NumRows(), shape[0], want)
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
