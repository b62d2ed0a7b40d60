package kernel

import (
	"math"
	"unsafe"
)

// A Filter is a resampling kernel.
type Filter int

// The filters. The first two are Pillow's and torchvision's: as the image shrinks they widen, which makes them antialiased, and
// the result is rounded to 8 bits between the two directions.
const (
	Bilinear Filter = iota // a triangle, 1 pixel to each side
	Bicubic                // Keys' cubic with a = -0.5, 2 pixels to each side

	// BicubicTF1 is tf.image.resize_bicubic of TensorFlow 1, which the reference code of SimCLR calls: a = -0.75 and four pixels
	// whatever the scale, so it aliases; places are x*scale, not those of pixel centres, in steps of 1/1024 pixel; beyond the
	// borders the border pixel is repeated. Only the result is rounded to 8 bits.
	BicubicTF1
)

// Weights are integers that sum to 1<<bits. Those of the triangle are not negative, and three lanes of 255<<13 and half a unit
// just fit in a word. Those of the cubics are, so Go sums them channel by channel.
const (
	bilinearBits = 13
	cubicBits    = 14
)

func (f Filter) bits() int {
	if f == Bilinear {
		return bilinearBits
	}
	return cubicBits
}

// kept is the number of bits of fraction that an image keeps between the two directions. If it is 0, the levels are clamped too.
func (f Filter) kept() int {
	if f == BicubicTF1 {
		return 6
	}
	return 0
}

func (f Filter) support() float64 {
	if f == Bilinear {
		return 1
	}
	return 2
}

// maxTaps is the largest number of source pixels that one destination pixel is made of.
func (f Filter) maxTaps(from, to int) int {
	if f == BicubicTF1 {
		return 4
	}
	return int(math.Ceil(2*f.support()*max(float64(from)/float64(to), 1))) + 1
}

// taps holds what each destination pixel is made of in one direction. An entry is stride words long: the first source pixel, the
// number of them, and their weights, two to a word and filled up with a weight of zero.
type taps struct {
	entries []int32
	stride  int
}

func tapsStride(f Filter, from, to int) int { return 2 + (f.maxTaps(from, to)+1)/2 }

// tapsWords is the number of words that makeTaps needs, with those for the weights of one pixel in floating point.
func tapsWords(f Filter, from, to int) int {
	return (to*tapsStride(f, from, to)+1)/2 + f.maxTaps(from, to)
}

func (t taps) at(i int) (first int, weights []int16) {
	e := t.entries[i*t.stride : (i+1)*t.stride]
	return int(e[0]), halves(e[2:])[:e[1]]
}

// halves returns words as 16-bit numbers.
func halves(words []int32) []int16 {
	return unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(words))), 2*len(words))
}

// makeTaps fills room with the taps of a resize from one length to another. If mirrored, the entries are in reverse order.
func makeTaps(room []uint64, f Filter, from, to int, mirrored bool) taps {
	t := taps{stride: tapsStride(f, from, to)}
	n := to * t.stride
	t.entries = unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(room))), n)
	room = room[(n+1)/2:]
	values := unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(room))), f.maxTaps(from, to))
	entry := func(i int) []int32 {
		if mirrored {
			i = to - 1 - i
		}
		return t.entries[i*t.stride : (i+1)*t.stride]
	}
	w := f.window(from, to)
	unit := float64(int(1) << f.bits())
	for i := range to {
		var first, n int
		switch f {
		case Bilinear, Bicubic:
			opposite := to - 1 - i
			if opposite < i {
				mirror(entry(i), entry(opposite), from)
				continue
			}
			first, n = w.values(values, i, f)
		case BicubicTF1:
			first, n = tf1Values(values, i, from, to)
		}
		put(entry(i), first, values[:n], unit)
	}
	return t
}

// mirror fills entry with the opposite one of an image whose side is from pixels.
func mirror(entry, opposite []int32, from int) {
	first, n := opposite[0], opposite[1]
	entry[0], entry[1] = int32(from)-first-n, n
	to, weights := halves(entry[2:]), halves(opposite[2:])[:n]
	for k, weight := range weights {
		to[int(n)-1-k] = weight
	}
	if n%2 == 1 {
		to[n] = 0
	}
}

// put fills an entry. Rounding the running sum, and not each weight, makes the weights sum to one unit exactly. Weights of zero
// at both ends are left out.
func put(entry []int32, first int, values []float64, unit float64) {
	weights := halves(entry[2:])
	total := 0.0
	for _, v := range values {
		total += v
	}
	unit /= total
	const positive = 1 << 20 // makes the conversion round down, for sums below zero too
	sum, before, n := 0.0, positive, 0
	for _, v := range values {
		sum += v
		now := int(float64(sum*unit) + (positive + 0.5))
		if n == 0 && now == before {
			first++
			continue
		}
		weights[n] = int16(now - before)
		before = now
		n++
	}
	for weights[n-1] == 0 {
		n--
	}
	if n%2 == 1 {
		weights[n] = 0
	}
	entry[0], entry[1] = int32(first), int32(n)
}

// A window is where an antialiasing filter is not zero.
type window struct {
	from                    int
	scale, support, squeeze float64
}

// window returns the window of a resize from one length to another, which is support source pixels to each side.
func (f Filter) window(from, to int) window {
	scale := float64(from) / float64(to)
	stretch := max(scale, 1)
	return window{from, scale, float64(f.support() * stretch), 1 / stretch}
}

// values evaluates the filter for destination pixel i, not yet normalised. It returns the first source pixel and their number.
func (w *window) values(values []float64, i int, f Filter) (first, n int) {
	center := float64((float64(i) + 0.5) * w.scale)
	first = max(int(center-w.support+0.5), 0)
	n = min(int(center+w.support+0.5), w.from) - first
	x := float64((float64(first) - center + 0.5) * w.squeeze)
	for k := range values[:n] {
		v := math.Abs(x)
		if f == Bilinear {
			v = 1 - v
			if v < 0 {
				v = 0
			}
		} else {
			v = keys(v, -0.5)
		}
		values[k] = v
		x += w.squeeze
	}
	return first, n
}

// keys is Keys' cubic at a distance x >= 0.
func keys(x, a float64) float64 {
	switch {
	case x < 1:
		return float64(float64((float64((a+2)*x)-(a+3))*x)*x) + 1
	case x < 2:
		return float64(a * (float64((float64((x-5)*x)+8)*x) - 4))
	}
	return 0
}

// tf1Values is values for BicubicTF1. The places are computed in float32, as TensorFlow does it.
func tf1Values(values []float64, i, from, to int) (first, n int) {
	scale := float32(from) / float32(to)
	place := float32(float32(i) * scale)
	at := int(place)
	x := math.RoundToEven(float64(place-float32(at))*1024) / 1024
	first = max(at-1, 0)
	n = min(at+2, from-1) - first + 1
	clear(values[:n])
	for k, distance := range [...]float64{1 + x, x, 1 - x, 2 - x} {
		values[min(max(at-1+k, 0), from-1)-first] += keys(distance, -0.75)
	}
	return first, n
}
