//go:build !linux

package onnx

// keepSignals calls f. Execution providers are known to install signal handlers on Linux only.
func keepSignals(f func() error) error { return f() }
