// Package device is the seam of the Gorgonia backend: an operator knows its shapes, its operands and where in memory its result
// lies; a device owns that memory and the kernels that compute in it.
//
// Nothing above the seam looks into a device's memory: what goes in and comes out passes through Upload and Download.
package device

import (
	"fmt"
	"unsafe"

	"github.com/goclr/goclr/backends/graph"
)

// A Device owns memory and kernels. One program at a time may use what it allocated; several programs may use one device.
type Device interface {
	// Library names what computes, with its version: results repeat to the bit only where it is equal.
	Library() string
	// Kernel returns what computes an operation; ok is false where the device has none.
	Kernel(op graph.Op) (k Kernel, ok bool)
	// Size is the number of bytes of a tensor.
	Size(l Layout, shape []int) int
	// Allocate returns zeroed memory, aligned to 64 bytes at least. Where there is not enough the error is a *MemoryError.
	Allocate(bytes int) (Memory, error)
	// Upload and Download copy between the host's memory and the device's. When Upload returns, from may be changed.
	Upload(to unsafe.Pointer, from []byte) error
	Download(to []byte, from unsafe.Pointer) error
	Close() error
}

// A LateLoader is a Device whose libraries load what computes into its memory when they first compute: a program runs once before it
// is relied on, so that a want of memory shows then.
type LateLoader interface {
	// LoadsLate does nothing.
	LoadsLate()
}

// A Recorder is a Device that can take down what kernels do, and do it again at one stroke.
type Recorder interface {
	// Record calls f and takes down what the kernels that run in it would do, instead of doing it. Nobody may run a kernel of the
	// device beside f, and f may do nothing with the device but run kernels, which have run in earnest with tensors of the same
	// shapes before. Its error is that of f, or says why the device could not take down.
	Record(f func() error) (Recording, error)
}

// A Recording is what kernels did, on the addresses and with the numbers that their calls had.
type Recording interface {
	// Launch does it again, after all work before; an error of a kernel comes with a later call.
	Launch() error
	Close() error
}

// Memory is a stretch of a device's memory.
type Memory interface {
	Pointer() unsafe.Pointer
	Free() error
}

// A Receiver is a Device that takes in bytes while it computes.
type Receiver interface {
	// Inbox returns room for parts of so many bytes. Where there is not enough memory the error is a *MemoryError. Like Put, it may be
	// called while a program uses the device.
	Inbox(parts ...int) (Inbox, error)
}

// An Inbox is a stretch of a device's memory for what a later computation needs. Its methods are called one at a time.
type Inbox interface {
	// Put copies the parts from the host's memory, beside what the device computes, but after an earlier Take. When it returns, they may
	// be changed. A program may use the device meanwhile.
	Put(parts [][]byte) error
	// Take copies the parts to other memory of the device, in the order of what computes there.
	Take(to []unsafe.Pointer) error
	Free() error
}

// A MemoryError says that a device has not enough memory.
type MemoryError struct {
	Asked, Free int // bytes; Asked is 0 where a library does not tell, Free where the device does not
	Err         error
}

func (e *MemoryError) Error() string {
	switch {
	case e.Asked == 0:
		return fmt.Sprintf("%d MiB of memory are free, which is not enough for what is loaded to compute: use a smaller batch, or end what else uses the device: %v", e.Free>>20, e.Err)
	case e.Free == 0:
		return fmt.Sprintf("there are no %d MiB of memory: use a smaller batch, or end what else uses the device: %v", e.Asked>>20, e.Err)
	}
	return fmt.Sprintf("%d MiB of memory are needed and %d MiB free: use a smaller batch, or end what else uses the device: %v", e.Asked>>20, e.Free>>20, e.Err)
}

// Unwrap returns Err.
func (e *MemoryError) Unwrap() error { return e.Err }

// A Layout says how the elements of a tensor lie in memory.
type Layout int

// The layouts.
const (
	Plain   Layout = iota // float32, row-major
	Images                // float32, [N, C, H, W] as the device's kernels want it
	Pixels                // bytes of views, [N, H, W, 3], of an Image of shape [N, 3, H, W]
	Classes               // int32, labels
)

// A Tensor is an operand or the result of a Call.
type Tensor struct {
	Data   unsafe.Pointer // in the device's memory; nil for an operand that is left out
	Layout Layout
	Shape  []int       // as in the graph; the first dimension may be smaller, where a batch is
	Scale  *graph.Attr // of Pixels: Mean and Std of the Image
}

// A Call is what a kernel computes.
type Call struct {
	Attr    graph.Attr
	In      []Tensor
	Out     Tensor
	Scratch unsafe.Pointer // Room bytes, with whatever is in them
	Room    int            // what Kernel.Scratch asked for; that of a smaller batch may ask for more
}

// A Kernel computes one operation. Images in the graph, [N, C, H, W], are of Layout Images where they come from the operations
// of package graph that make images, and elementwise operations have all operands in one layout. Filters are Plain.
type Kernel struct {
	// Run computes a call. It is called for one call of a program at a time, and keeps nothing of it.
	Run func(c *Call) error
	// Scratch is the number of bytes that Run needs while it runs; nil: none.
	Scratch func(c *Call) int
	// Prepare does what can be done before the first Run of a call, whose tensors have no memory yet; nil: nothing. Where Run would
	// not work it says so.
	Prepare func(c *Call) error
	// Overwrites is 1 + the index of an operand whose memory the result may take; 0: none.
	Overwrites int
	// Pixels says that operand 0 may be Pixels; elsewhere an operation that reads an Image is given its numbers.
	Pixels bool
	// Images says, of OpImage, that its result may be Images; elsewhere it is Plain.
	Images bool
}

// Operations beside those of package graph.
const (
	// OpArrange makes Images of Plain, OpFlatten Plain of Images. A device whose Images are Plain has neither.
	OpArrange graph.Op = "Arrange"
	OpFlatten graph.Op = "Flatten"
	// OpCopy copies a tensor, Plain.
	OpCopy graph.Op = "Copy"
)

// The operands of two operations are more than those of the graph:
//
//	NormalizeGradParams: x, moments, dy, y
//	NormalizeGradInput:  x, moments, gamma, dy, params, y
//
// params [2, C] is the result of NormalizeGradParams for the same x and dy. y may be left out; otherwise it is the result of a
// ReLU, and the gradient is that of its operand: dy where y > 0, and 0 elsewhere.
