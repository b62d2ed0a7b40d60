package gorgonia

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// spareShare is the part of free memory, one of so many, that advice leaves for what is loaded when a batch is first computed.
const spareShare = 16

// adviseBatch adds to an error for want of memory, of which the tape's values hold so many bytes, which batch there would be memory for.
// It is of fewer views rather than of too many: what does not shrink with a batch counts twice, and all else as if it shrank no faster.
func (t *tape) adviseBatch(held int, err error) error {
	var m *device.MemoryError
	if t.image == nil || !errors.As(err, &m) || m.Free == 0 {
		return err
	}
	views, free := t.image.Shape[0], m.Free+held
	needed := t.bytes
	if t.staged {
		needed += trays * t.batchBytes()
	}
	fit := roundDown(int(float64(views) * float64(free-free/spareShare-t.fixed) / float64(needed)))
	if fit < 4 || fit >= views {
		return err
	}
	return fmt.Errorf("the batch has %d views, about %d would fit: %w", views, fit, err)
}

// fixedBytes are those of results in memory that do not shrink with the batch, such as gradients, which have the shapes of what is given.
func (t *tape) fixedBytes(memory *arena, given map[*graph.Node]*value) int {
	if t.image == nil {
		return 0
	}
	bytes, views, shapes := 0, t.image.Shape[0], map[string]bool{}
	for _, v := range given {
		shapes[fmt.Sprint(v.shape)] = true
	}
	for _, o := range t.operators {
		s := o.result.shape
		if o.result.memory == memory && o.result.layout == device.Plain && (len(s) == 0 || s[0] != views || shapes[fmt.Sprint(s)]) {
			bytes += aligned(o.result.bytes)
		}
	}
	return bytes
}

// batchBytes are those of a batch that the tape reads.
func (t *tape) batchBytes() int {
	bytes := t.pixels.bytes
	if t.classes != nil {
		bytes += t.classes.bytes
	}
	return bytes
}

// roundDown leaves the first two binary digits of a number.
func roundDown(n int) int {
	shift := max(0, bits.Len(uint(max(0, n)))-2)
	return n >> shift << shift
}
