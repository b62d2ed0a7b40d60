//go:build cgo

package kernel

// #include "kernels.h"
// #cgo noescape grayscale
// #cgo nocallback grayscale
// static void grayscale(int level, uint8_t *pix, size_t pixels) { kernels_of(level)->grayscale(pix, pixels); }
import "C"

import "unsafe"

func grayscale(pix []byte) {
	if current == Go {
		goGrayscale(pix)
		return
	}
	C.grayscale(C.int(current), (*C.uint8_t)(unsafe.SliceData(pix)), C.size_t(len(pix)/3))
}
