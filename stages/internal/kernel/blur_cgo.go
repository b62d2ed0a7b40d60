//go:build cgo

package kernel

// #include "kernels.h"
// #cgo noescape blur
// #cgo nocallback blur
// static void blur(int level, uint8_t *pix, int w, int h, const int16_t *weights, int radius, int reflect, int depth, int16_t *scratch) {
//     kernels_of(level)->blur(pix, w, h, weights, radius, reflect, depth, scratch);
// }
import "C"

import "unsafe"

func blur(b blurring) {
	if current == Go {
		goBlur(b)
		return
	}
	reflected := C.int(0)
	if b.border == Reflect {
		reflected = 1
	}
	C.blur(C.int(current), (*C.uint8_t)(unsafe.SliceData(b.pix)), C.int(b.w), C.int(b.h),
		(*C.int16_t)(unsafe.SliceData(b.weights)), C.int(len(b.weights)-1), reflected,
		C.int(blurDepth(len(b.weights)-1)), (*C.int16_t)(unsafe.SliceData(b.room)))
}
