// Package kernel has the pixel loops of the stages. All of them work on 8-bit interleaved RGB, compute in integers and give
// the same bytes on every CPU. They allocate nothing: where a loop needs room, its caller passes it.
package kernel

import "unsafe"

// A Rect is a region of an image in pixels.
type Rect struct{ X, Y, W, H int }

// The loops that add up weighted pixels keep the three channels of a pixel in one word, 21 bits each, so that one
// multiplication does the work of three.
const (
	lane  = 21
	lanes = 1 | 1<<lane | 1<<(2*lane) // n*lanes is n in each lane
)

func pack(p []byte) uint64 {
	_ = p[2]
	return uint64(p[0]) | uint64(p[1])<<lane | uint64(p[2])<<(2*lane)
}

// unpackRow packs the pixels of src into dst, one word each.
func unpackRow(dst []uint64, src []byte) {
	src = src[:3*len(dst)]
	for i := range dst {
		dst[i] = pack(src[3*i : 3*i+3])
	}
}

// words returns scratch as 64-bit words. Scratch of length 8*n+7 or more gives at least n of them, wherever it begins.
func words(scratch []byte) []uint64 {
	if skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(scratch))) & 7); skip > 0 {
		scratch = scratch[skip:]
	}
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(scratch))), len(scratch)/8)
}

// scratchBytes is the length of scratch that holds n words.
func scratchBytes(n int) int { return 8*n + 7 }

func clamp(v int) byte {
	if uint(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return byte(v)
}
