package kernel

// The colour loops follow torchvision's on 8-bit tensors: each rounds its result down and clamps it.

// settle rounds a fixed-point number down to a level. The nudge is the error of a rounded factor times a level: it keeps products
// that are whole numbers, such as 1.2 * 10, from falling to the number below.
func settle(v int) byte { return clamp((v + 128) >> fraction) }

// grey returns the grey level of a pixel. The weights are torchvision's: those of ITU-R BT.601 with four digits, which sum to
// 0.9999, so that a pixel that is grey already loses a level.
func grey(r, g, b byte) int { return (2989*int(r) + 5870*int(g) + 1140*int(b)) / 10000 }

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
		table[i] = settle(f * i)
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
		sum += grey(p[0], p[1], p[2])
	}
	mean := sum << fraction / (len(pix) / 3)
	f := fixed(factor)
	rest := (one - f) * mean >> fraction
	var table [256]byte
	for i := range table {
		table[i] = settle(f*i + rest)
	}
	apply(pix, &table)
}

// Saturation moves every channel away from the grey level of its pixel, if factor is above 1, or towards it.
func Saturation(pix []byte, factor float64) {
	f := fixed(factor)
	for p := pix; len(p) >= 3; p = p[3:] {
		rest := (one - f) * grey(p[0], p[1], p[2])
		p[0] = settle(f*int(p[0]) + rest)
		p[1] = settle(f*int(p[1]) + rest)
		p[2] = settle(f*int(p[2]) + rest)
	}
}

// Grayscale gives the three channels of every pixel its grey level.
func Grayscale(pix []byte) { grayscale(pix) }

func goGrayscale(pix []byte) {
	for p := pix; len(p) >= 3; p = p[3:] {
		v := byte(grey(p[0], p[1], p[2]))
		p[0], p[1], p[2] = v, v, v
	}
}
