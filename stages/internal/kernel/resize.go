package kernel

// ResizeScratch is the length of the scratch that Resize needs.
func ResizeScratch(box Rect, w, h int, f Filter) int {
	return scratchBytes(tapsWords(f, box.W, w)+tapsWords(f, box.H, h)) + max(goResizeScratch(box, w, h, f), cResizeScratch(box, w, h, f))
}

// Resize writes the region box of src, an image srcW pixels wide, to dst as an image of w by h pixels, mirrored from left to right
// if flip. A region that has the size already is copied. It resizes from side to side first, as Pillow does.
func Resize(dst []byte, w, h int, src []byte, srcW int, box Rect, f Filter, flip bool, scratch []byte) {
	src = src[3*(box.Y*srcW+box.X):]
	if box.W == w && box.H == h {
		for y := range h {
			copy(dst[3*w*y:3*w*(y+1)], src[3*y*srcW:])
		}
		if flip {
			Flip(dst[:3*w*h], w)
		}
		return
	}
	room := words(scratch)
	across := makeTaps(room, f, box.W, w, flip)
	room = room[tapsWords(f, box.W, w):]
	down := makeTaps(room, f, box.H, h, false)
	room = room[tapsWords(f, box.H, h):]
	resize(resizing{dst, w, h, src, srcW, box.W, box.H, f, across, down, room})
}

// A resizing is what the two directions of a resize need to know. The region begins at src[0].
type resizing struct {
	dst          []byte
	w, h         int
	src          []byte
	srcW         int
	fromW, fromH int
	filter       Filter
	across, down taps
	room         []uint64
}

// row is row y of the region.
func (z *resizing) row(y int) []byte { return z.src[3*y*z.srcW:][:3*z.fromW] }

// depth is the number of resized rows that are kept: as many as one row of the result is made of.
func (z *resizing) depth() int { return z.filter.maxTaps(z.fromH, z.h) }

func (z *resizing) take(n int) []uint64 {
	r := z.room[:n:n]
	z.room = z.room[n:]
	return r
}

func goResizeScratch(box Rect, w, h int, f Filter) int {
	// The cubics keep a word for each channel where the triangle keeps one for each pixel.
	return 8 * (box.W + 3*(f.maxTaps(box.H, h)+1)*w)
}

func goResize(z resizing) {
	if z.filter == Bilinear {
		z.bilinear()
	} else {
		z.bicubic()
	}
}
