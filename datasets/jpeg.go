package datasets

import (
	"encoding/binary"
	"math/bits"
)

// appendJPEG appends an RGB image of w by h pixels (3*w*h bytes) to b as a baseline JPEG of quality 90 without chroma
// subsampling. Integers only: the same pixels give the same bytes on every machine and with every release of Go, whose
// own encoder promises neither.
func appendJPEG(b []byte, rgb []byte, w, h int) []byte {
	b = appendJPEGHeader(b, w, h)
	e := jpegWriter{b: b}
	var previous [3]int32 // DC of the block before, per component
	var pixels [3][64]int32
	for y := 0; y < h; y += 8 {
		for x := 0; x < w; x += 8 {
			loadBlock(&pixels, rgb, w, h, x, y)
			for c := range pixels {
				forwardDCT(&pixels[c])
				previous[c] = e.block(&pixels[c], min(c, 1), previous[c])
			}
		}
	}
	e.flush()
	return append(e.b, 0xFF, 0xD9)
}

// loadBlock converts the 8x8 pixels at (x, y) to YCbCr (JFIF's BT.601, full range) minus 128. The border is repeated.
func loadBlock(out *[3][64]int32, rgb []byte, w, h, x, y int) {
	for i := range 64 {
		p := 3 * (min(y+i/8, h-1)*w + min(x+i%8, w-1))
		r, g, b := int32(rgb[p]), int32(rgb[p+1]), int32(rgb[p+2])
		out[0][i] = (19595*r+38470*g+7471*b+1<<15)>>16 - 128
		out[1][i] = (-11059*r - 21709*g + 32768*b + 1<<15) >> 16
		out[2][i] = (32768*r - 27439*g - 5329*b + 1<<15) >> 16
	}
}

// forwardDCT replaces the block by 16 times its two-dimensional cosine transform.
func forwardDCT(b *[64]int32) {
	var t [64]int32
	for y := range 8 { // rows of b become columns of t, and again
		transform8(b[8*y:8*y+8:8*y+8], t[y:], 8)
	}
	for x := range 8 {
		transform8(t[8*x:8*x+8:8*x+8], b[x:], 8)
	}
}

// transform8 writes 4 times the orthonormal cosine transform of in to out[0], out[stride], ...
func transform8(in, out []int32, stride int) {
	var sum, difference [4]int32
	for i := range 4 {
		sum[i], difference[i] = in[i]+in[7-i], in[i]-in[7-i]
	}
	for u := 0; u < 8; u += 2 {
		a, c := &cosines[u], &cosines[u+1]
		even := a[0]*sum[0] + a[1]*sum[1] + a[2]*sum[2] + a[3]*sum[3]
		odd := c[0]*difference[0] + c[1]*difference[1] + c[2]*difference[2] + c[3]*difference[3]
		out[u*stride] = (even + 1<<11) >> 12
		out[(u+1)*stride] = (odd + 1<<11) >> 12
	}
}

// cosines[u][i] is 8192 C(u) cos((2i+1) u pi/16) with C(0) = 1/sqrt(2), rounded: the left half, the right one mirrors it.
var cosines = [8][4]int32{
	{5793, 5793, 5793, 5793},
	{8035, 6811, 4551, 1598},
	{7568, 3135, -3135, -7568},
	{6811, -1598, -8035, -4551},
	{5793, -5793, -5793, 5793},
	{4551, -8035, 1598, 6811},
	{3135, -7568, 7568, -3135},
	{1598, -4551, 6811, -8035},
}

// A jpegWriter writes the entropy-coded part.
type jpegWriter struct {
	b     []byte
	bits  uint32 // not yet written, from the top
	nbits uint32
}

func (e *jpegWriter) put(code, length uint32) {
	e.nbits += length
	e.bits |= code << (32 - e.nbits)
	for e.nbits >= 8 {
		v := byte(e.bits >> 24)
		e.b = append(e.b, v)
		if v == 0xFF {
			e.b = append(e.b, 0)
		}
		e.bits <<= 8
		e.nbits -= 8
	}
}

// flush fills the last byte with ones.
func (e *jpegWriter) flush() {
	if e.nbits > 0 {
		e.put(0x7F, 7)
	}
	e.bits, e.nbits = 0, 0
}

// block quantises and writes 64 coefficients, which are scaled by 16, with tables of kind 0 (luma) or 1 (chroma). It
// returns the block's DC.
func (e *jpegWriter) block(c *[64]int32, kind int, previous int32) int32 {
	dc := quantise(c[0], quantTables[kind][0])
	e.value(&huffmanCodes[2*kind], 0, dc-previous)
	run := 0
	ac := &huffmanCodes[2*kind+1]
	for i := 1; i < 64; i++ {
		v := quantise(c[zigzag[i]], quantTables[kind][i])
		if v == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			e.put(ac[0xF0].code, ac[0xF0].length)
		}
		e.value(ac, run, v)
		run = 0
	}
	if run > 0 {
		e.put(ac[0].code, ac[0].length)
	}
	return dc
}

// quantise divides c by 16q and rounds to nearest, halves away from zero.
func quantise(c int32, q uint8) int32 {
	d := 16 * int32(q)
	if c < 0 {
		return -((-c + d/2) / d)
	}
	return (c + d/2) / d
}

func (e *jpegWriter) value(table *[256]huffmanCode, run int, v int32) {
	m := v
	if v < 0 {
		m, v = -v, v-1
	}
	n := uint32(bits.Len32(uint32(m)))
	h := table[run<<4|int(n)]
	e.put(h.code, h.length)
	if n > 0 {
		e.put(uint32(v)&(1<<n-1), n)
	}
}

func appendJPEGHeader(b []byte, w, h int) []byte {
	b = append(b, 0xFF, 0xD8)                                                          // SOI
	b = append(b, 0xFF, 0xE0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0) // APP0
	for kind, table := range quantTables {
		b = append(b, 0xFF, 0xDB, 0, 67, byte(kind)) // DQT
		b = append(b, table[:]...)
	}
	b = append(b, 0xFF, 0xC0, 0, 17, 8) // SOF0
	b = binary.BigEndian.AppendUint16(b, uint16(h))
	b = binary.BigEndian.AppendUint16(b, uint16(w))
	b = append(b, 3, 1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1)
	for i, t := range huffmanTables {
		b = append(b, 0xFF, 0xC4) // DHT
		b = binary.BigEndian.AppendUint16(b, uint16(19+len(t.values)))
		b = append(b, byte(i&1<<4|i>>1))
		b = append(b, t.counts[:]...)
		b = append(b, t.values...)
	}
	return append(b, 0xFF, 0xDA, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0) // SOS
}
