//go:build cgo

package step

import (
	"github.com/goclr/goclr/backends"
	_ "github.com/goclr/goclr/backends/onnx" // it calls a library through C
)

func init() {
	subjects = append(subjects,
		subject{"goclr-onnx", "onnx", backends.Options{}},
		subject{"goclr-onnx-standard", "onnx", backends.Options{StandardOperators: true}})
}
