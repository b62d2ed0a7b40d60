//go:build !cgo

package main

const defaultBackend = "gorgonia"
