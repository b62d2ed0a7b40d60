package onnx

import (
	"errors"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/backendtest"
)

// openTest opens the backend with two threads. It skips the test where there is no library at all.
func openTest(t testing.TB) backends.Backend {
	t.Helper()
	b, err := backends.Open(t.Context(), "onnx", backends.Options{Threads: 2})
	if errors.Is(err, ErrNoLibrary) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backends.Backend { return openTest(t) }, backendtest.Options{})
}
