package kernel

// A Plane is one component of a JPEG: W by H samples, rows Stride bytes apart.
type Plane struct {
	Pix          []byte
	W, H, Stride int
}

func (p Plane) row(y int) []byte { return p.Pix[y*p.Stride:][:p.W] }

// YCbCr converts the planes of a JPEG to RGB as libjpeg does. The chroma planes, which are of one size, have as many samples as
// luma, half as many columns, or half as many columns and rows; halves are rounded up. Missing samples are interpolated.
func YCbCr(dst []byte, luma, cb, cr Plane, scratch []byte) {
	lineB, lineR := scratch[:2*cb.W], scratch[2*cb.W:4*cb.W]
	for y := range luma.H {
		b, r := lineB, lineR
		switch {
		case cb.W == luma.W:
			b, r = cb.row(y), cr.row(y)
		case cb.H == luma.H:
			widen(b, cb.row(y))
			widen(r, cr.row(y))
		default:
			// A row of chroma lies between two of luma; a row of luma takes 3/4 of its own and 1/4 of the next one.
			near, far := y/2, min(max(y/2+y%2*2-1, 0), cb.H-1)
			widenTwo(b, cb.row(near), cb.row(far))
			widenTwo(r, cr.row(near), cr.row(far))
		}
		toRGB(dst[3*luma.W*y:], luma.row(y), b, r)
	}
}

// YCbCrScratch is the length of the scratch that YCbCr needs for chroma planes of width w.
func YCbCrScratch(w int) int { return 4 * w }

// widen doubles a row: each sample becomes two, which take 3/4 of it and 1/4 of the neighbour on their side. The first and the
// last sample have no neighbour. Halves are rounded down and up by turns, so that none of it drifts.
func widen(out, in []byte) {
	n := len(in)
	for i, v := range in {
		left, right := in[max(i-1, 0)], in[min(i+1, n-1)]
		out[2*i] = byte((3*int(v) + int(left) + 1) >> 2)
		out[2*i+1] = byte((3*int(v) + int(right) + 2) >> 2)
	}
}

// widenTwo is widen of a row that takes 3/4 of near and 1/4 of far.
func widenTwo(out, near, far []byte) {
	n := len(near)
	far = far[:n]
	left := 3*int(near[0]) + int(far[0])
	this := left
	for i := range n {
		right := this
		if i+1 < n {
			right = 3*int(near[i+1]) + int(far[i+1])
		}
		out[2*i] = byte((3*this + left + 8) >> 4)
		out[2*i+1] = byte((3*this + right + 7) >> 4)
		left, this = this, right
	}
}

// toRGB converts a row by the equations of JFIF, in 16.16 fixed point.
func toRGB(dst, luma, cb, cr []byte) {
	dst, cb, cr = dst[:3*len(luma)], cb[:len(luma)], cr[:len(luma)]
	const round = 1 << 15
	for i, v := range luma {
		y, b, r := int(v), int(cb[i])-128, int(cr[i])-128
		p := dst[3*i : 3*i+3]
		p[0] = clamp(y + (91881*r+round)>>16)
		p[1] = clamp(y + (-22554*b-46802*r+round)>>16)
		p[2] = clamp(y + (116130*b+round)>>16)
	}
}
