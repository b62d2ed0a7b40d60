package kernel

// plainColourPass does the steps one after the other on all pixels.
func plainColourPass(pix []byte, steps []colourStep) {
	for i := range steps {
		s := &steps[i]
		switch s.kind {
		case stepAffine:
			s.affine(pix)
		case stepBlend:
			s.blend(pix)
		case stepSaturate:
			s.saturate(pix)
		case stepHue:
			s.turnHue(pix)
		case stepGrey:
			s.toGrey(pix)
		case stepSolarize:
			s.solarize(pix)
		case stepGreySum:
			s.sumGrey(pix)
		case stepChannelSums:
			s.sumChannels(pix)
		}
	}
}

func (s *colourStep) affine(pix []byte) {
	var table [3][256]byte
	for c := range table {
		for v := range table[c] {
			table[c][v] = clamp((v*int(s.factor)>>9 + int(s.add[c])) >> s.shift)
		}
	}
	for p := pix; len(p) >= 3; p = p[3:] {
		p[0], p[1], p[2] = table[0][p[0]], table[1][p[1]], table[2][p[2]]
	}
}

func (s *colourStep) blend(pix []byte) {
	for p := pix; len(p) >= 3; p = p[3:] {
		level := grey(p[0], p[1], p[2])
		for c, v := range p[:3] {
			p[c] = clamp(((int(v)-level)*int(s.factor)>>9 + level<<s.shift + int(s.add[0])) >> s.shift)
		}
	}
}

func (s *colourStep) toGrey(pix []byte) {
	for p := pix; len(p) >= 3; p = p[3:] {
		v := byte((grey256(p[0], p[1], p[2]) + int(s.add[0])) >> 8)
		p[0], p[1], p[2] = v, v, v
	}
}

func (s *colourStep) solarize(pix []byte) {
	for i, v := range pix {
		if int32(v) >= s.factor {
			pix[i] = 255 - v
		}
	}
}

func (s *colourStep) sumGrey(pix []byte) {
	for p := pix; len(p) >= 3; p = p[3:] {
		s.sum[0] += uint64(grey(p[0], p[1], p[2]))
	}
}

func (s *colourStep) sumChannels(pix []byte) {
	for p := pix; len(p) >= 3; p = p[3:] {
		for c, v := range p[:3] {
			s.sum[c] += uint64(v)
		}
	}
}

// grey256 returns the grey level of a pixel in 1/256. The weights are torchvision's and TensorFlow's: those of ITU-R BT.601
// with four digits. They sum to 0.9999, so that rounding down takes a level from a pixel that is grey already.
func grey256(r, g, b byte) int { return int(r)*19589>>8 + int(g)*38470>>8 + int(b)*7471>>8 }

func grey(r, g, b byte) int { return grey256(r, g, b) >> 8 }
