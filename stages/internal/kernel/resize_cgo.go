//go:build cgo

package kernel

// #include "kernels.h"
// #cgo noescape resize
// #cgo nocallback resize
// static void resize(int level, struct resizing z, uint8_t *dst, const uint8_t *src, const int32_t *columns, const int32_t *rows,
//                    int16_t *scratch) {
//     kernels_of(level)->resize(z, dst, src, columns, rows, scratch);
// }
import "C"

import (
	"math/bits"
	"unsafe"
)

const stripRows = 16 // ROWS of resize.h

// ringDepth is the number of rows that C keeps, a power of two: those that one row of the result is made of, one behind them,
// which it reads but gives no weight, and those of a strip.
func ringDepth(f Filter, from, to int) int { return 1 << bits.Len(uint(f.maxTaps(from, to)+stripRows)) }

func cResizeScratch(box Rect, w, h int, f Filter) int {
	row := (3*w + 31) / 32 * 32
	return 2*(ringDepth(f, box.H, h)+stripRows)*row + stripRows*3*(box.W+1)
}

func resize(z resizing) {
	if current == Go {
		goResize(z)
		return
	}
	sizes := C.struct_resizing{
		w: C.int32_t(z.w), h: C.int32_t(z.h),
		from_w: C.int32_t(z.fromW), from_h: C.int32_t(z.fromH), src_stride: C.size_t(3 * z.srcW),
		columns_stride: C.int32_t(z.across.stride), rows_stride: C.int32_t(z.down.stride),
		bits: C.int32_t(z.filter.bits()), kept: C.int32_t(z.filter.kept()),
		depth: C.int32_t(ringDepth(z.filter, z.fromH, z.h)),
	}
	C.resize(C.int(current), sizes, (*C.uint8_t)(unsafe.SliceData(z.dst)), (*C.uint8_t)(unsafe.SliceData(z.src)),
		(*C.int32_t)(unsafe.SliceData(z.across.entries)), (*C.int32_t)(unsafe.SliceData(z.down.entries)),
		(*C.int16_t)(unsafe.Pointer(unsafe.SliceData(z.room))))
}
