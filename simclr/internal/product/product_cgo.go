//go:build cgo

package product

// #cgo CFLAGS: -O3 -std=c11
// #include "product.h"
// #cgo noescape multiply
// #cgo nocallback multiply
import "C"

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

func multiply(c, a, b []float32, m, n, k, stride int) {
	cMultiply(cpu.X86.HasAVX2, c, a, b, m, n, k, stride)
}

func cMultiply(avx2 bool, c, a, b []float32, m, n, k, stride int) {
	level := C.int(0)
	if avx2 {
		level = 1
	}
	first := func(s []float32) *C.float { return (*C.float)(unsafe.SliceData(s)) }
	C.multiply(level, first(c), first(a), first(b), C.size_t(m), C.size_t(n), C.size_t(k), C.size_t(stride))
}
