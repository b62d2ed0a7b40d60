package onnx

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/apache/arrow/go/v17/arrow"
	ort "github.com/yalue/onnxruntime_go"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// views are the bytes of a batch as an input of a model: those of the record itself; with their labels if the model reads them.
type views struct {
	rows   int
	value  *ort.Tensor[uint8]
	labels *ort.Tensor[int64] // or nil
	pin    runtime.Pinner     // ONNX Runtime keeps a pointer to the bytes and labels until release
}

// newViews checks that the batch fits the model's image and labels. In mode Train it must fill the image, with pairs unless the
// model reads labels; in mode Eval it may be smaller.
func newViews(to *model, batch arrow.Record, m backends.Mode) (*views, error) {
	n := to.image
	bytes, shape, err := pipeline.Views(batch)
	if err != nil {
		return nil, err
	}
	rows := int(batch.NumRows()) * shape[0]
	want, height, width := n.Shape[0], n.Shape[2], n.Shape[3]
	if shape[1] != height || shape[2] != width || shape[3] != 3 {
		return nil, fmt.Errorf("the batch has views of %dx%dx%d, the model takes %dx%dx3: make views of that size",
			shape[1], shape[2], shape[3], height, width)
	}
	if m == backends.Train && to.labels == nil && shape[0] != 2 {
		return nil, fmt.Errorf("the batch has %d views a row, training takes pairs: make the views with pipeline.Pair", shape[0])
	}
	if rows > want || rows < want && m == backends.Train {
		return nil, fmt.Errorf("the batch has %d rows of %d views, the model takes %d views in all: use the batch size it was built for",
			batch.NumRows(), shape[0], want)
	}
	if rows == 0 {
		return nil, errors.New("the batch is empty")
	}
	v := &views{rows: rows}
	v.pin.Pin(&bytes[0])
	v.value, err = ort.NewTensor(ortShape([]int{rows, height, width, 3}), bytes)
	if err == nil && to.labels != nil {
		err = v.label(to.labels, batch)
	}
	if err != nil {
		v.release()
		return nil, err
	}
	return v, nil
}

// label adds the value of Labels node n.
func (v *views) label(n *graph.Node, batch arrow.Record) error {
	labels, err := backends.Labels(n, batch)
	if err != nil {
		return err
	}
	v.pin.Pin(&labels[0])
	v.labels, err = ort.NewTensor(ortShape(n.Shape), labels)
	return err
}

func (v *views) release() {
	if v.value != nil {
		_ = v.value.Destroy() // never fails
	}
	if v.labels != nil {
		_ = v.labels.Destroy()
	}
	v.pin.Unpin()
}
