package backends

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// Views returns the bytes [rows, h, w, 3] of a batch for Image node n, those of the record itself. In mode Train they must fill
// the image, with pairs unless labelled; in mode Eval there may be fewer rows. A batch that does not fit is an error that
// says what the model takes.
func Views(n *graph.Node, batch arrow.Record, m Mode, labelled bool) (bytes []byte, rows int, err error) {
	bytes, shape, err := pipeline.Views(batch)
	if err != nil {
		return nil, 0, err
	}
	rows = int(batch.NumRows()) * shape[0]
	want, height, width := n.Shape[0], n.Shape[2], n.Shape[3]
	switch {
	case shape[1] != height || shape[2] != width || shape[3] != 3:
		return nil, 0, fmt.Errorf("the batch has views of %dx%dx%d, the model takes %dx%dx3: make views of that size",
			shape[1], shape[2], shape[3], height, width)
	case m == Train && !labelled && shape[0] != 2:
		return nil, 0, fmt.Errorf("the batch has %d views a row, training takes pairs: make the views with pipeline.Pair", shape[0])
	case rows > want || rows < want && m == Train:
		return nil, 0, fmt.Errorf("the batch has %d rows of %d views, the model takes %d views in all: use the batch size it was built for",
			batch.NumRows(), shape[0], want)
	case rows == 0:
		return nil, 0, errors.New("the batch is empty")
	}
	return bytes, rows, nil
}
