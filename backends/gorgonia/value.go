package gorgonia

import (
	"fmt"
	"unsafe"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// A value is a tensor in a device's memory: a gorgonia.Value that Gorgonia carries from operator to operator and never looks into.
type value struct {
	memory  *arena
	offset  int
	bytes   int // of a whole batch
	layout  device.Layout
	shape   []int       // as in the graph; the first dimension is that of the batch at hand
	scale   *graph.Attr // of pixels
	batched bool        // the first dimension is a batch that may be smaller
}

func newValue(d device.Device, memory *arena, l device.Layout, shape []int) *value {
	return &value{memory: memory, bytes: d.Size(l, shape), layout: l, shape: append([]int{}, shape...)}
}

func (v *value) pointer() unsafe.Pointer { return unsafe.Add(v.memory.base(), v.offset) }

// shaped is the value without its memory, which it may not have yet.
func (v *value) shaped() device.Tensor {
	return device.Tensor{Layout: v.layout, Shape: v.shape, Scale: v.scale}
}

func (v *value) tensor() device.Tensor {
	t := v.shaped()
	t.Data = v.pointer()
	return t
}

// Gorgonia knows tensors of at least one dimension; what it calls scalars are values of the host.
func outerShape(shape []int) tensor.Shape {
	if len(shape) == 0 {
		return tensor.Shape{1}
	}
	return shape
}

var dtypes = map[device.Layout]tensor.Dtype{
	device.Plain: tensor.Float32, device.Images: tensor.Float32, device.Pixels: tensor.Uint8, device.Classes: tensor.Int32,
}

func typeOf(l device.Layout, shape []int) hm.Type {
	return G.TensorType{Dims: len(outerShape(shape)), Of: dtypes[l]}
}

// The methods of gorgonia.Value.

func (v *value) Shape() tensor.Shape { return outerShape(v.shape) }
func (v *value) Size() int           { return graph.Size(v.shape) }
func (v *value) Data() any           { return v }
func (v *value) Dtype() tensor.Dtype { return dtypes[v.layout] }
func (v *value) Uintptr() uintptr    { return uintptr(v.pointer()) }
func (v *value) MemSize() uintptr    { return uintptr(v.bytes) }
func (v *value) Type() hm.Type       { return typeOf(v.layout, v.shape) }

func (v *value) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%v on the device", v.shape) }
