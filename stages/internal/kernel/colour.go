package kernel

// The colour loops follow torchvision's on 8-bit tensors: each rounds its result down and clamps it.

// settle16 rounds a 16.16 number down to a level. The nudge is more than the error of a rounded factor on a level and keeps
// products that are whole numbers, such as 1.2 * 10, from falling to the number below.
func settle16(v int) byte { return clamp((v + 128) >> 16) }

// luma returns 65536 times the grey level of a pixel (ITU-R BT.601).
func luma(r, g, b byte) int { return 19595*int(r) + 38470*int(g) + 7471*int(b) }

// apply replaces every byte of pix by its entry in table.
func apply(pix []byte, table *[256]byte) {
	for i, v := range pix {
		pix[i] = table[v]
	}
}

// Brightness multiplies every channel by factor, which is not negative.
func Brightness(pix []byte, factor float64) {
	f := fixed(factor)
	var table [256]byte
	for i := range table {
		table[i] = settle16(f * i)
	}
	apply(pix, &table)
}

// Contrast moves every channel away from the mean grey level of the image, if factor is above 1, or towards it.
func Contrast(pix []byte, factor float64) {
	if len(pix) == 0 {
		return
	}
	sum := 0
	for p := pix; len(p) >= 3; p = p[3:] {
		sum += luma(p[0], p[1], p[2]) >> 16
	}
	mean := sum << 16 / (len(pix) / 3)
	f := fixed(factor)
	rest := (65536 - f) * mean >> 16
	var table [256]byte
	for i := range table {
		table[i] = settle16(f*i + rest)
	}
	apply(pix, &table)
}

// Saturation moves every channel away from the grey level of its pixel, if factor is above 1, or towards it.
func Saturation(pix []byte, factor float64) {
	f := fixed(factor)
	for p := pix; len(p) >= 3; p = p[3:] {
		rest := (65536 - f) * (luma(p[0], p[1], p[2]) >> 16)
		p[0] = settle16(f*int(p[0]) + rest)
		p[1] = settle16(f*int(p[1]) + rest)
		p[2] = settle16(f*int(p[2]) + rest)
	}
}

// Grayscale gives the three channels of every pixel its grey level.
func Grayscale(pix []byte) {
	for p := pix; len(p) >= 3; p = p[3:] {
		v := byte(luma(p[0], p[1], p[2]) >> 16)
		p[0], p[1], p[2] = v, v, v
	}
}
