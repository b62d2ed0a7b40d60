// Package cpu is the device of the Gorgonia backend that computes on the host: by the vector kernels in C that the onnx backend
// uses too, where there is cgo, and in plain Go.
package cpu

import (
	"runtime"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// Options choose what computes.
type Options struct {
	Threads int  // at least 1
	Plain   bool // compute in plain Go alone
	Spin    bool // let threads without work wait for it at full speed
}

// A Device computes on the host.
type Device struct {
	kernels map[graph.Op]device.Kernel
	vector  *vector // nil: plain Go computes all
	library string
}

// New returns a device, whose goroutines Close ends.
func New(o Options) (*Device, error) {
	if o.Plain || !hasVector {
		return &Device{kernels: plainKernels(o.Threads), library: "plain Go of " + runtime.Version()}, nil
	}
	v, err := newVector(o)
	if err != nil {
		return nil, err
	}
	return &Device{kernels: v.kernels(), vector: v, library: v.library()}, nil
}

// Library names the kernels.
func (d *Device) Library() string { return d.library }

// Kernel returns that of an operation.
func (d *Device) Kernel(op graph.Op) (device.Kernel, bool) {
	k, ok := d.kernels[op]
	return k, ok
}

// Size is the number of bytes of a tensor.
func (d *Device) Size(l device.Layout, shape []int) int {
	switch {
	case l == device.Pixels:
		return graph.Size(shape)
	case l == device.Images && d.vector != nil:
		return 4 * blockedSize(shape)
	}
	return 4 * graph.Size(shape)
}

// Upload copies.
func (d *Device) Upload(to unsafe.Pointer, from []byte) error {
	copy(unsafe.Slice((*byte)(to), len(from)), from)
	return nil
}

// Download copies.
func (d *Device) Download(to []byte, from unsafe.Pointer) error {
	copy(to, unsafe.Slice((*byte)(from), len(to)))
	return nil
}

// Allocate returns memory that the garbage collector does not count.
func (d *Device) Allocate(bytes int) (device.Memory, error) {
	m, err := allocate(bytes)
	if err != nil {
		return nil, &device.MemoryError{Asked: bytes, Err: err}
	}
	return m, nil
}

// Close ends the goroutines that compute. Nothing may be running.
func (d *Device) Close() error {
	if d.vector != nil {
		d.vector.close()
	}
	return nil
}
