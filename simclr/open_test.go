package simclr

import (
	"errors"
	"testing"

	"github.com/goclr/goclr/backends"
	_ "github.com/goclr/goclr/backends/gorgonia"
	"github.com/goclr/goclr/backends/onnx"
	_ "github.com/goclr/goclr/backends/reference"
)

// openNamed opens a backend until the test ends. It skips the test where the library is missing.
func openNamed(t *testing.T, name string, o backends.Options) backends.Backend {
	t.Helper()
	b, err := backends.Open(t.Context(), name, o)
	if errors.Is(err, onnx.ErrNoLibrary) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// openBackend opens "onnx", or where its library is missing the slow one that is always there.
func openBackend(t *testing.T) backends.Backend {
	t.Helper()
	if _, err := onnx.FindLibrary(""); errors.Is(err, onnx.ErrNoLibrary) {
		t.Logf("without ONNX Runtime this takes a minute on the reference backend: %v", err)
		return openNamed(t, "reference", backends.Options{})
	}
	return openNamed(t, "onnx", backends.Options{})
}
