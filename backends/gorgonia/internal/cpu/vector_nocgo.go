//go:build !cgo

package cpu

import (
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// vector is what cgo would provide.
type vector struct{}

const hasVector = false

func newVector(Options) (*vector, error) { return nil, nil }

func (*vector) kernels() map[graph.Op]device.Kernel { return nil }
func (*vector) library() string                     { return "" }
func (*vector) close()                              {}

func blockedSize(shape []int) int { return graph.Size(shape) }
