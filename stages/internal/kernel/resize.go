package kernel

import "math"

// A Filter is a resampling kernel.
type Filter int

// The filters, with the names and the shapes that Pillow gives them.
const (
	Bilinear Filter = iota // a triangle, 1 pixel to each side
	Bicubic                // Keys' cubic with a = -0.5, 2 pixels to each side
)

// Weights are integers that sum to 1<<bits. Three lanes of 255<<13 and half a unit just fit in a word; the cubic has negative
// weights and overshoots, so it has one bit less and rests on an offset of cubicLift levels that keeps lanes from borrowing.
const (
	bilinearBits = 13
	cubicBits    = 12
	cubicLift    = 64
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

// offset is what a sum of weighted pixels starts from: half a level for rounding, and the lift of the cubic.
func (f Filter) offset() uint64 {
	if f == Bicubic {
		return (cubicLift<<cubicBits + 1<<(cubicBits-1)) * lanes
	}
	return 1 << (bilinearBits - 1) * lanes
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
	return scratchBytes(tapsWords(f, box.W, w) + tapsWords(f, box.H, h) + box.W + (f.maxTaps(box.H, h)+1)*w)
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
	line := take(box.W)
	acc := take(w)
	depth := f.maxTaps(box.H, h)
	ring := take(depth * w) // the resized rows that later rows still need
	ready := 0
	for y := range h {
		first, weights := down.at(y)
		for ready = max(ready, first); ready < first+len(weights); ready++ {
			unpackRow(line, row(ready))
			out := ring[ready%depth*w:][:w]
			resizeRow(out, line, across, f.offset())
			settleRow(out, f)
		}
		sumRows(acc, ring, first, depth, weights, f.offset())
		settleRow(acc, f)
		packRow(dst[3*w*y:3*w*(y+1)], acc)
	}
}

// resizeRow sums the weighted pixels of line into each pixel of out.
func resizeRow(out, line []uint64, t taps, offset uint64) {
	for x := range out {
		first, weights := t.at(x)
		from := line[first:]
		from = from[:len(weights)]
		v := offset
		for i, w := range weights {
			v += w * from[i]
		}
		out[x] = v
	}
}

// sumRows sums weighted rows of ring, beginning with row first, into acc.
func sumRows(acc, ring []uint64, first, depth int, weights []uint64, offset uint64) {
	n := len(acc)
	for i := range acc {
		acc[i] = offset
	}
	k := 0
	for ; k+1 < len(weights); k += 2 {
		a, b := ring[(first+k)%depth*n:][:n], ring[(first+k+1)%depth*n:][:n]
		wa, wb := weights[k], weights[k+1]
		for i := range acc {
			acc[i] += wa*a[i] + wb*b[i]
		}
	}
	if k < len(weights) {
		a, wa := ring[(first+k)%depth*n:][:n], weights[k]
		for i := range acc {
			acc[i] += wa * a[i]
		}
	}
}

// settleRow turns sums into 8-bit levels, still one word a pixel.
func settleRow(row []uint64, f Filter) {
	if f == Bilinear {
		for i, v := range row {
			row[i] = v >> bilinearBits & (255 * lanes)
		}
		return
	}
	for i, v := range row {
		v >>= cubicBits
		row[i] = uint64(dropLift[v&511]) | uint64(dropLift[v>>lane&511])<<lane | uint64(dropLift[v>>(2*lane)&511])<<(2*lane)
	}
}

// dropLift takes the lift off a level and clamps it.
var dropLift = func() (t [512]uint8) {
	for i := range t {
		t[i] = clamp(i - cubicLift)
	}
	return t
}()

// packRow writes the low 8 bits of each lane of row to dst.
func packRow(dst []byte, row []uint64) {
	dst = dst[:3*len(row)]
	for i, v := range row {
		p := dst[3*i : 3*i+3]
		p[0], p[1], p[2] = byte(v), byte(v>>lane), byte(v>>(2*lane))
	}
}
