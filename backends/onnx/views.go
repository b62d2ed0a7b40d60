package onnx

import (
	"runtime"

	"github.com/apache/arrow/go/v17/arrow"
	ort "github.com/yalue/onnxruntime_go"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// views are the bytes of a batch as an input of a model: those of the record itself; with their labels if the model reads them.
type views struct {
	rows   int
	value  *ort.Tensor[uint8]
	labels *ort.Tensor[int64] // or nil
	pin    runtime.Pinner     // ONNX Runtime keeps a pointer to the bytes and labels until release
}

// newViews returns the views and labels that the model reads, see backends.Views.
func newViews(to *model, batch arrow.Record, m backends.Mode) (*views, error) {
	n := to.image
	bytes, rows, err := backends.Views(n, batch, m, to.labels != nil)
	if err != nil {
		return nil, err
	}
	v := &views{rows: rows}
	v.pin.Pin(&bytes[0])
	v.value, err = ort.NewTensor(ortShape([]int{rows, n.Shape[2], n.Shape[3], 3}), bytes)
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
