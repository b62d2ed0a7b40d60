//go:build cgo

// Package turbotest calls libjpeg as its manual shows, for tests and benchmarks, which cannot call C themselves. Errors end the
// program.
package turbotest

/*
#cgo pkg-config: libjpeg
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct {
	int w, h, components, quality;
	int sampling[3][2];
	int progressive, unrefined, arithmetic, restart_interval, restart_rows, sequential_scans;
} options;

typedef struct {
	unsigned char *bytes;
	unsigned long n;
} file;

static file encode(const unsigned char *pix, options o) {
	static const jpeg_scan_info apart[3] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr errors;
	file f = {NULL, 0};
	c.err = jpeg_std_error(&errors);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &f.bytes, &f.n);
	c.image_width = o.w;
	c.image_height = o.h;
	c.input_components = o.components;
	c.in_color_space = o.components == 1 ? JCS_GRAYSCALE : o.components == 3 ? JCS_RGB : JCS_CMYK;
	jpeg_set_defaults(&c);
	jpeg_set_quality(&c, o.quality, TRUE);
	for (int i = 0; i < o.components && i < 3; i++) {
		c.comp_info[i].h_samp_factor = o.sampling[i][0];
		c.comp_info[i].v_samp_factor = o.sampling[i][1];
	}
	if (o.progressive) jpeg_simple_progression(&c);
	if (o.progressive && o.unrefined) c.num_scans -= o.unrefined;
	if (o.sequential_scans) {
		c.scan_info = apart;
		c.num_scans = o.components;
	}
	c.arith_code = o.arithmetic;
	c.restart_interval = o.restart_interval;
	c.restart_in_rows = o.restart_rows;
	jpeg_start_compress(&c, TRUE);
	while (c.next_scanline < c.image_height) {
		JSAMPROW row = (JSAMPROW)pix + (size_t)c.next_scanline * o.w * o.components;
		jpeg_write_scanlines(&c, &row, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	return f;
}

// decode is the example of libjpeg's manual. It returns the number of bytes.
static size_t decode(const unsigned char *file, size_t n, unsigned char *dst) {
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr errors;
	unsigned char *row = dst;
	c.err = jpeg_std_error(&errors);
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, file, n);
	jpeg_read_header(&c, TRUE);
	c.out_color_space = JCS_RGB;
	jpeg_start_decompress(&c);
	while (c.output_scanline < c.output_height) {
		jpeg_read_scanlines(&c, &row, 1);
		row += 3 * c.output_width;
	}
	jpeg_finish_decompress(&c);
	jpeg_destroy_decompress(&c);
	return row - dst;
}
*/
import "C"

import "unsafe"

// Options say what kind of JPEG to make.
type Options struct {
	Components      int       // 1 grey, 3 colour, 4 CMYK
	Sampling        [3][2]int // columns and rows of samples of each component in a unit
	Quality         int
	Progressive     bool
	Unrefined       int  // scans of a progressive file that are left out at its end
	SequentialScans bool // a scan for each component
	Arithmetic      bool
	RestartInterval int // units between two restart markers
	RestartRows     int // rows of units between two restart markers, which goes before RestartInterval
}

// Encode makes a JPEG file of w by h pixels of Components bytes each.
func Encode(pix []byte, w, h int, o Options) []byte {
	c := C.options{w: C.int(w), h: C.int(h), components: C.int(o.Components), quality: C.int(o.Quality), unrefined: C.int(o.Unrefined),
		progressive: truth(o.Progressive), arithmetic: truth(o.Arithmetic), sequential_scans: truth(o.SequentialScans),
		restart_interval: C.int(o.RestartInterval), restart_rows: C.int(o.RestartRows)}
	for i, s := range o.Sampling {
		c.sampling[i] = [2]C.int{C.int(s[0]), C.int(s[1])}
	}
	f := C.encode((*C.uchar)(unsafe.SliceData(pix)), c)
	defer C.free(unsafe.Pointer(f.bytes))
	return C.GoBytes(unsafe.Pointer(f.bytes), C.int(f.n))
}

// Decode decodes the JPEG b, plainly, to dst as RGB, and returns the number of bytes.
func Decode(dst, b []byte) int {
	return int(C.decode((*C.uchar)(unsafe.SliceData(b)), C.size_t(len(b)), (*C.uchar)(unsafe.SliceData(dst))))
}

func truth(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
