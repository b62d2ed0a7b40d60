package cpu

import (
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// floats are the elements of a float32 tensor, nil for an operand that is left out.
func floats(t device.Tensor) []float32 { return elements[float32](t) }

// elements are those of a tensor of type T, nil for an operand that is left out.
func elements[T float32 | int32 | byte](t device.Tensor) []T {
	if t.Data == nil {
		return nil
	}
	return unsafe.Slice((*T)(t.Data), graph.Size(t.Shape))
}

// operand is operand i of a call, nil where it is left out.
func operand(c *device.Call, i int) []float32 {
	if i >= len(c.In) {
		return nil
	}
	return floats(c.In[i])
}

const (
	floatBytes  = 4
	doubleBytes = 8
	// cacheLine is what buffers in scratch memory are aligned to.
	cacheLine = 64
)

// A desk hands out scratch memory, piece by piece. Pieces of several workers share no cache line.
type desk struct {
	next unsafe.Pointer
}

// lined rounds a number of bytes up to whole cache lines.
func lined(bytes int) int { return ceil(bytes, cacheLine) * cacheLine }

// floatsBytes is what floats(n) takes of a desk, doublesBytes what doubles(n) takes.
func floatsBytes(n int) int  { return lined(n * floatBytes) }
func doublesBytes(n int) int { return lined(n * doubleBytes) }

func (d *desk) floats(n int) []float32 {
	s := unsafe.Slice((*float32)(d.next), n)
	d.next = unsafe.Add(d.next, floatsBytes(n))
	return s
}

func (d *desk) doubles(n int) []float64 {
	s := unsafe.Slice((*float64)(d.next), n)
	d.next = unsafe.Add(d.next, doublesBytes(n))
	return s
}

// at is the memory some bytes on, without taking it.
func (d *desk) at(bytes int) unsafe.Pointer { return unsafe.Add(d.next, bytes) }
