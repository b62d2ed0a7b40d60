package kernel

const (
	hueBits        = 4  // of the levels between the largest and the smallest channel, times 6, 15 bits hold
	turnBits       = 13 // of a turn of 3 sextants
	saturationBits = 14
)

// turnHue moves the hue h of a pixel, a place on a circle of six sextants with red at 0, green at 2 and blue at 4. With hi the
// largest and lo the smallest channel, a channel c of hue h has the level hi - (hi-lo) * clamp(distance(h, c) - 1, 0, 1),
// where the distance is that on the circle. All of it is multiplied by hi-lo, so that nothing is divided by it.
func (s *colourStep) turnHue(pix []byte) {
	for p := pix; len(p) >= 3; p = p[3:] {
		r, g, b := int(p[0]), int(p[1]), int(p[2])
		hi, lo := max(r, g, b), min(r, g, b)
		d := hi - lo
		var h int
		switch hi {
		case r:
			h = g - b
		case g:
			h = b - r + 2*d
		default:
			h = r - g - 2*d
		}
		h = h<<hueBits + d*int(s.factor)>>(turnBits-hueBits)
		hi, d = hi<<hueBits, d<<hueBits
		p[0], p[1], p[2] = s.channel(hi, d, h), s.channel(hi, d, h-2*d), s.channel(hi, d, h+2*d)
	}
}

// channel returns the level of the channel that the hue is away from.
func (s *colourStep) channel(hi, d, away int) byte {
	away = abs(away)
	away = min(away, abs(away-6*d))
	v := hi - min(max(away-d, 0), d)
	// torchvision goes from [0, 1] back to 8 bits by 255.999 and drops the fraction: v>>8 is what that adds.
	return byte((v + v>>s.shift + int(s.add[0])) >> hueBits)
}

// saturate multiplies the distance of each channel to the largest one, hi, by the factor, or by what makes the smallest one 0
// if that is less. A float32 division of whole numbers rounds alike everywhere.
func (s *colourStep) saturate(pix []byte) {
	for p := pix; len(p) >= 3; p = p[3:] {
		hi, lo := max(p[0], p[1], p[2]), min(p[0], p[1], p[2])
		most := float32(int32(hi)<<saturationBits) / float32(max(hi-lo, 1))
		factor := min(float32(s.factor), most)
		for c, v := range p[:3] {
			away := int32(float32(hi-v) * factor)
			p[c] = byte(max((int32(hi)<<saturationBits-away+s.add[0])>>saturationBits, 0))
		}
	}
}

func abs(v int) int { return max(v, -v) }
