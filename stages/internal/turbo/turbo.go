//go:build cgo

// Package turbo decodes JPEG files, or rectangles of them, with libjpeg-turbo. It reads only what a rectangle needs: columns beside
// it are not transformed, rows above it are skipped, and nothing behind its last row is read. Huffman codes of the usual kind of file
// are read by huffman.c, with the same result.
package turbo

/*
#cgo pkg-config: libjpeg
#cgo CFLAGS: -O2
#cgo noescape decoder_read
#cgo nocallback decoder_read
#cgo noescape decoder_check
#cgo nocallback decoder_check
#include "decode.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"sync"
	"unsafe"
)

// Room is the size of the largest image that Decode makes of the region r.
func Room(r image.Rectangle) (w, h int) {
	const slack = 2*4 + 31 // the margins of decode.c, and what is left of r in the widest unit, four blocks
	return r.Dx() + slack, r.Dy()
}

// Decode decodes the region r of the JPEG b, or more, to the beginning of dst, which has 3*w*h bytes for the size that Room gives:
// RGB, rows without padding. It returns which region of the image that is; within r, the bytes are those of a decode of the whole
// image, beside it they may differ. The EXIF orientation is not applied.
//
// An error says why libjpeg-turbo did not decode the file, or not without a warning: then the content of dst is arbitrary. CMYK,
// arithmetic coding and samples of 12 bits are such reasons. Damage behind the last row of r is not seen.
//
// Decode works with defaults of libjpeg-turbo that decide pixels (accurate integer transform, chroma interpolated). It
// allocates nothing, and may be called from many goroutines: there are as many decompressors as there ever were calls at once.
func Decode(dst, b []byte, r image.Rectangle) (image.Rectangle, error) {
	r, _, err := read(dst, b, r, true)
	return r, err
}

// read is Decode, with huffman.c or without; it tells whether that took part.
func read(dst, b []byte, r image.Rectangle, huffman bool) (_ image.Rectangle, fast bool, err error) {
	d, err := take()
	if err != nil {
		return r, false, err
	}
	defer give(d)
	c := C.region{x: C.int(r.Min.X), y: C.int(r.Min.Y), w: C.int(r.Dx()), h: C.int(r.Dy())}
	if huffman {
		c.fast = 1
	}
	failed := C.decoder_read(d, (*C.uchar)(unsafe.SliceData(b)), C.size_t(len(b)), &c, (*C.uchar)(unsafe.SliceData(dst)), C.size_t(len(dst)))
	if failed != nil {
		return r, false, fmt.Errorf("libjpeg-turbo: %s", C.GoString(failed))
	}
	x, y := int(c.x), int(c.y)
	return image.Rect(x, y, x+int(c.w), y+int(c.h)), c.fast != 0, nil
}

// Check reads all of the JPEG b, whose header says w by h pixels, and makes no pixels of it, in about a third of the time. Without an error
// Decode makes the whole image of b. With one it may nevertheless: some kinds of file are not checked in this way.
func Check(b []byte, w, h int) error {
	d, err := take()
	if err != nil {
		return err
	}
	defer give(d)
	if failed := C.decoder_check(d, (*C.uchar)(unsafe.SliceData(b)), C.size_t(len(b)), C.int(w), C.int(h)); failed != nil {
		return fmt.Errorf("libjpeg-turbo: %s", C.GoString(failed))
	}
	return nil
}

// idle are the decompressors that no call is using.
var idle struct {
	sync.Mutex
	decoders []*C.decoder
}

func take() (*C.decoder, error) {
	idle.Lock()
	defer idle.Unlock()
	if n := len(idle.decoders); n > 0 {
		d := idle.decoders[n-1]
		idle.decoders = idle.decoders[:n-1]
		return d, nil
	}
	d := C.decoder_new()
	if d == nil {
		return nil, errors.New("libjpeg-turbo: no memory for a decompressor")
	}
	return d, nil
}

func give(d *C.decoder) {
	idle.Lock()
	defer idle.Unlock()
	idle.decoders = append(idle.decoders, d)
}

// Version names the release of libjpeg-turbo that the program was built with, for example "libjpeg-turbo 2.1.5".
func Version() string {
	const n = C.LIBJPEG_TURBO_VERSION_NUMBER // 2001005
	return fmt.Sprintf("libjpeg-turbo %d.%d.%d", n/1000000, n/1000%1000, n%1000)
}
