// Package cuda is the device of the Gorgonia backend that computes on an NVIDIA GPU. The libraries of CUDA are opened when a device
// is, so a program needs none of them to be built or to start; kernels are embedded as CUDA C and compiled by NVRTC.
package cuda

import "unsafe"

// A launcher starts kernels on the device, which runs them one after the other.
type launcher interface {
	// launch starts a kernel with x by y blocks of 256 threads. arguments points at a struct as the kernel's source has it; it is
	// copied before launch returns.
	launch(kernel string, x, y int, arguments unsafe.Pointer) error
}

// A multiplier computes out [m, n] = op(a) op(b), where all are row-major matrices of float32 on the device. op(a) is a [m, k] or, with
// transA, the transpose of a [k, m], and op(b) likewise.
type multiplier interface {
	multiply(m, n, k int, a unsafe.Pointer, transA bool, b unsafe.Pointer, transB bool, out unsafe.Pointer) error
}
