package gorgonia

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// adviseBatch adds to an error for want of memory which batch there would be memory for. image is the Image of what wants it, or nil.
func adviseBatch(image *graph.Node, err error) error {
	var m *device.MemoryError
	if image == nil || !errors.As(err, &m) || m.Free == 0 || m.Asked == 0 {
		return err
	}
	views := image.Shape[0]
	fit := roundDown(int(float64(views) * float64(m.Free) / float64(m.Asked)))
	if fit < 4 || fit >= views {
		return err
	}
	return fmt.Errorf("the batch has %d views, about %d would fit: %w", views, fit, err)
}

// roundDown leaves the first two binary digits of a number.
func roundDown(n int) int {
	shift := max(0, bits.Len(uint(n))-2)
	return n >> shift << shift
}
