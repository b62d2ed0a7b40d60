//go:build cgo

package product

// #cgo CFLAGS: -O3 -std=c11
// #include "product.h"
// #cgo noescape multiply
// #cgo nocallback multiply
import "C"

import "unsafe"

func multiply(c, a, b []float32, m, n, k, stride int) {
	first := func(s []float32) *C.float { return (*C.float)(unsafe.SliceData(s)) }
	C.multiply(first(c), first(a), first(b), C.size_t(m), C.size_t(n), C.size_t(k), C.size_t(stride))
}
