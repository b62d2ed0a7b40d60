package reference_test

import (
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/backendtest"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backends.Backend {
		b, err := backends.Open(t.Context(), "reference", backends.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, backendtest.Options{})
}
