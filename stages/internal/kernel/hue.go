package kernel

// A hue is a place on a circle of six sextants.
const (
	sextant = one
	circle  = 6 * sextant
)

// perRange is a sextant, in 1/65536, over the difference between the largest and the smallest channel.
var perRange = func() (t [256]int) {
	for i := 1; i < len(t); i++ {
		t[i] = (sextant<<16 + i/2) / i
	}
	return t
}()

// Hue turns the hue of every pixel by shift of the whole circle, in [-0.5, 0.5]. Value and saturation stay: of a pixel's three
// levels the largest and the smallest change places among the channels, and the middle one slides between them.
func Hue(pix []byte, shift float64) {
	turn := fixed(shift*6) % circle
	if turn < 0 {
		turn += circle
	}
	for p := pix; len(p) >= 3; p = p[3:] {
		r, g, b := int(p[0]), int(p[1]), int(p[2])
		hi, lo := max(r, g, b), min(r, g, b)
		if hi == lo {
			continue
		}
		var h, part int
		switch hi {
		case r:
			h, part = 0, g-b
		case g:
			h, part = 2*sextant, b-r
		default:
			h, part = 4*sextant, r-g
		}
		h += turn + (part*perRange[hi-lo]+1<<15)>>16
		if h < 0 {
			h += circle
		} else if h >= circle {
			h -= circle
		}
		f := h % sextant
		falling := level(hi<<fraction - (hi-lo)*f)
		rising := level(lo<<fraction + (hi-lo)*f)
		top, bottom := byte(hi), byte(lo)
		switch h / sextant {
		case 0:
			p[0], p[1], p[2] = top, rising, bottom
		case 1:
			p[0], p[1], p[2] = falling, top, bottom
		case 2:
			p[0], p[1], p[2] = bottom, top, rising
		case 3:
			p[0], p[1], p[2] = bottom, falling, top
		case 4:
			p[0], p[1], p[2] = rising, bottom, top
		default:
			p[0], p[1], p[2] = top, bottom, falling
		}
	}
}

// level is how torchvision goes from [0, 1] back to 8 bits: it multiplies by 255.999 and drops the fraction.
func level(v int) byte { return byte(v * (one + one*999/255000) >> (2 * fraction)) }
