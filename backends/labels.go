package backends

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// Labels returns the value of Labels node n for a batch: the label of each row's image, once for each of the row's views. A label
// that is none of the node's classes is an error that names the row.
func Labels(n *graph.Node, batch arrow.Record) ([]int64, error) {
	labels, err := pipeline.Labels(batch)
	if err != nil {
		return nil, err
	}
	rows := n.Shape[0]
	if len(labels) == 0 || rows%len(labels) != 0 {
		return nil, fmt.Errorf("the batch has %d rows, the model takes %d views: use the batch size it was built for", len(labels), rows)
	}
	values := make([]int64, 0, rows)
	for i, label := range labels {
		if label < 0 || int(label) >= n.Attr.Classes {
			return nil, fmt.Errorf("%s has label %d, of classes 0 to %d: train on labelled images of the model's classes",
				rowName(batch, i), label, n.Attr.Classes-1)
		}
		for range rows / len(labels) {
			values = append(values, int64(label))
		}
	}
	return values, nil
}

// rowName names a row of a batch, by the id of its image too where there are ids.
func rowName(batch arrow.Record, row int) string {
	ids, err := pipeline.IDs(batch)
	if err != nil {
		return fmt.Sprintf("row %d of the batch", row)
	}
	return fmt.Sprintf("image %d, row %d of the batch,", ids[row], row)
}
