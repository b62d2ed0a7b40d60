//go:build cgo

package main

import _ "github.com/goclr/goclr/backends/onnx" // it calls a library through C

const defaultBackend = "onnx"
