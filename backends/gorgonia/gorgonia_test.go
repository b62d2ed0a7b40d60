package gorgonia

import (
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/backendtest"
)

// TestConformance runs the suite with vector kernels and with plain Go.
func TestConformance(t *testing.T) {
	for name, o := range map[string]backends.Options{
		"vector kernels": {Threads: 2}, "plain Go": {Threads: 2, StandardOperators: true},
	} {
		t.Run(name, func(t *testing.T) {
			backendtest.Run(t, func(t *testing.T) backends.Backend {
				b, err := backends.Open(t.Context(), "gorgonia", o)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}, backendtest.Options{})
		})
	}
}
