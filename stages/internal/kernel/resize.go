package kernel

import "math"

// A Filter is a resampling kernel.
type Filter int

// The filters, with the names and the shapes that Pillow gives them.
const (
	Bilinear Filter = iota // a triangle, 1 pixel to each side
	Bicubic                // Keys' cubic with a = -0.5, 2 pixels to each side
)

// Weights are integers that sum to 1<<bits. Those of the triangle are not negative, and three lanes of 255<<13 and half a unit
// just fit in a word. Those of the cubic are, so it sums channel by channel.
const (
	bilinearBits = 13
	cubicBits    = 14
)

func (f Filter) support() float64 {
	if f == Bicubic {
		return 2
	}
	return 1
}

func (f Filter) bits() int {
	if f == Bicubic {
		return cubicBits
	}
	return bilinearBits
}

func (f Filter) at(x float64) float64 {
	x = math.Abs(x)
	switch {
	case f == Bilinear && x < 1:
		return 1 - x
	case f == Bicubic && x < 1:
		return float64(float64((float64(1.5*x)-2.5)*x)*x) + 1
	case f == Bicubic && x < 2:
		return -0.5 * (float64((float64((x-5)*x)+8)*x) - 4)
	}
	return 0
}

// maxTaps is the largest number of source pixels that one destination pixel is made of.
func (f Filter) maxTaps(from, to int) int {
	return 2*int(math.Ceil(f.support()*max(float64(from)/float64(to), 1))) + 1
}

// taps holds, for each destination pixel, the first source pixel, the number of them and their weights, in stride words.
type taps struct {
	w      []uint64
	stride int
}

func tapsWords(f Filter, from, to int) int { return to * (f.maxTaps(from, to) + 2) }

func (t taps) at(i int) (first int, weights []uint64) {
	e := t.w[i*t.stride : (i+1)*t.stride]
	return int(e[0]), e[2 : 2+e[1]]
}

// makeTaps fills room with the weights of a resize from one length to another. As in Pillow, the filter widens with the scale
// when the image shrinks, which is what makes it antialiased.
func makeTaps(room []uint64, f Filter, from, to int) taps {
	t := taps{w: room, stride: f.maxTaps(from, to) + 2}
	scale := float64(from) / float64(to)
	stretch := max(scale, 1)
	support := float64(f.support() * stretch)
	unit := float64(int(1) << f.bits())
	for i := range to {
		center := float64((float64(i) + 0.5) * scale)
		lo := max(int(center-support+0.5), 0)
		hi := min(int(center+support+0.5), from)
		for lo < hi-1 && f.at((float64(lo)-center+0.5)/stretch) == 0 {
			lo++
		}
		for lo < hi-1 && f.at((float64(hi-1)-center+0.5)/stretch) == 0 {
			hi--
		}
		total := 0.0
		for x := lo; x < hi; x++ {
			total += f.at((float64(x) - center + 0.5) / stretch)
		}
		e := t.w[i*t.stride : (i+1)*t.stride]
		e[0], e[1] = uint64(lo), uint64(hi-lo)
		// Rounding the running sum, and not each weight, makes the weights sum to one unit exactly.
		sum, before := 0.0, 0.0
		for x := lo; x < hi; x++ {
			sum += f.at((float64(x) - center + 0.5) / stretch)
			now := math.Round(float64(sum * unit / total))
			e[2+x-lo] = uint64(int64(now - before))
			before = now
		}
	}
	return t
}

// ResizeScratch is the length of the scratch that Resize needs.
func ResizeScratch(box Rect, w, h int, f Filter) int {
	// The cubic keeps a word for each channel where the triangle keeps one for each pixel.
	return scratchBytes(tapsWords(f, box.W, w) + tapsWords(f, box.H, h) + box.W + 3*(f.maxTaps(box.H, h)+1)*w)
}

// Resize writes the region box of src, an image srcW pixels wide, to dst as an image of w by h pixels. It is Pillow's resize
// of the cropped region: rows first, rounded to 8 bits, then columns.
func Resize(dst []byte, w, h int, src []byte, srcW int, box Rect, f Filter, scratch []byte) {
	row := func(y int) []byte { return src[3*((box.Y+y)*srcW+box.X):][:3*box.W] }
	if box.W == w && box.H == h {
		for y := range h {
			copy(dst[3*w*y:3*w*(y+1)], row(y))
		}
		return
	}
	room := words(scratch)
	take := func(n int) []uint64 {
		r := room[:n:n]
		room = room[n:]
		return r
	}
	across := makeTaps(take(tapsWords(f, box.W, w)), f, box.W, w)
	down := makeTaps(take(tapsWords(f, box.H, h)), f, box.H, h)
	depth := f.maxTaps(box.H, h)
	if f == Bicubic {
		resizeCubic(dst, row, across, down, w, h, depth, take)
	} else {
		resizeBilinear(dst, row, across, down, w, h, depth, take(box.W), take)
	}
}
