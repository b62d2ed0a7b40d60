//go:build cgo

package kernel

// #include "kernels.h"
// #cgo noescape colour
// #cgo nocallback colour
// static void colour(int level, uint8_t *pix, size_t pixels, struct colour_step *steps, size_t n) {
// 	kernels_of(level)->colour(pix, pixels, steps, n);
// }
import "C"

import "unsafe"

// The struct that C has is that of Go.
var _ = [1]struct{}{}[unsafe.Sizeof(colourStep{})-C.sizeof_struct_colour_step]

// colourPass does the steps one after the other on all pixels. A pass without a sum at its end leaves no result in steps.
func colourPass(pix []byte, steps []colourStep) {
	if current == Go {
		plainColourPass(pix, steps)
		return
	}
	C.colour(C.int(current), (*C.uint8_t)(unsafe.SliceData(pix)), C.size_t(len(pix)/3),
		(*C.struct_colour_step)(unsafe.Pointer(unsafe.SliceData(steps))), C.size_t(len(steps)))
}
