//go:build !cgo

package main

import (
	"errors"
	"io"
)

func (e *export) writeONNX(io.Writer) error {
	return errors.New("this program was built without cgo, and so without ONNX: write the weights with -format safetensors, or build it with CGO_ENABLED=1")
}
