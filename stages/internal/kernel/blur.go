package kernel

import (
	"math"
	"math/bits"
	"unsafe"

	"github.com/goclr/goclr/stages/internal/exact"
)

// A Border is what a blur finds beyond the borders of an image.
type Border int

// The borders.
const (
	Reflect Border = iota // the image, mirrored at its border pixels, as in torchvision
	Zero                  // black, as where TensorFlow pads a convolution ("SAME"): the borders darken
)

// MaxBlurRadius bounds the radius of Blur: more taps, each rounded, could leave 16 bits.
const MaxBlurRadius = 60

// blurBits is the precision of the weights, which sum to 1<<blurBits.
const blurBits = 15

// A blur adds up pairs of levels in 16 bits: a sum has 7 bits of fraction, a level 6. So two levels fit where a sum does, and
//
//	sum += ((a+b)*weight + 1<<14) >> 15
//
// takes three instructions for 16 levels with AVX2. The pair of the centre is the centre twice; the weights of the others are
// doubled to make up for it.
const (
	blurSumBits   = 7
	blurLevelBits = 6
)

// BlurScratch is the length of the scratch that Blur needs.
func BlurScratch(w, radius int) int {
	row := (3*w + blurGroup - 1) / blurGroup * blurGroup
	return scratchBytes(((blurDepth(radius)+3)*row + 6*radius + 3) / 4)
}

// C blurs the channels of blurGroup/3 pixels at a time, and fills up the rows for this.
const blurGroup = 96

// blurDepth is the number of rows to keep: those that a blurred row is made of, or some more, to make it a power of two.
func blurDepth(radius int) int { return 1 << bits.Len(uint(2*radius)) }

// Blur blurs an image of w by h pixels in place with a Gaussian of standard deviation sigma pixels, cut off beyond radius. It
// takes time in proportion to the taps that have a weight: 9 for a sigma of 1, 17 for 2, whatever the radius. To reflect, the
// radius must be below w and h.
func Blur(pix []byte, w, h, radius int, sigma float64, border Border, scratch []byte) {
	var weights [MaxBlurRadius + 1]int16
	radius = gauss(weights[:radius+1], sigma)
	if radius == 0 {
		return
	}
	room := words(scratch)
	blur(blurring{pix, w, h, weights[:radius+1], border,
		unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(room))), 4*len(room))})
}

// gauss fills weights with those of the pairs, the centre first, and returns the largest radius whose weight is not zero. They sum
// to one exactly, because it is the running sum, from the outside, that is rounded.
func gauss(weights []int16, sigma float64) (radius int) {
	var g [MaxBlurRadius + 1]float64
	total := 1.0
	for i := 1; i < len(weights); i++ {
		g[i] = exact.Exp(-float64(i*i) / (2 * float64(sigma*sigma)))
		total += 2 * g[i]
	}
	tail, before := 0.0, 0
	for i := len(weights) - 1; i > 0; i-- {
		tail += g[i]
		now := int(math.Round(tail / total * (1 << blurBits)))
		weights[i] = int16(2 * (now - before))
		before = now
		if radius == 0 && now > 0 {
			radius = i
		}
	}
	if radius > 0 {
		weights[0] = int16(1<<blurBits - 2*before)
	}
	return radius
}

// A blurring is what the blur of an image needs to know. It has a weight for each radius.
type blurring struct {
	pix     []byte
	w, h    int
	weights []int16
	border  Border
	room    []int16
}

// goBlur blurs each row from top to bottom, out of a ring of the rows around it, and then from side to side.
func goBlur(b blurring) {
	n, radius := 3*b.w, len(b.weights)-1
	take := func(n int) []int16 {
		r := b.room[:n:n]
		b.room = b.room[n:]
		return r
	}
	depth := blurDepth(radius)
	ring, sums, black := take(depth*n), take(n), take(n)
	line := take(n + 6*radius)
	clear(black)
	row := func(y int) []int16 {
		if b.border == Zero && (y < 0 || y >= b.h) {
			return black
		}
		return ring[reflect(y, b.h)&(depth-1)*n:][:n]
	}
	middle := line[3*radius:][:n]
	ready := 0
	for y := range b.h {
		// A row of pix is read before the output reaches it, so the blur works in place.
		for ; ready < b.h && ready <= y+radius; ready++ {
			to := row(ready)
			for i, v := range b.pix[n*ready:][:n] {
				to[i] = int16(v) << blurLevelBits
			}
		}
		fill(sums, 1<<(blurSumBits-blurLevelBits-1))
		for k, weight := range b.weights {
			addPairs(sums, row(y-k), row(y+k), weight)
		}
		for i, v := range sums {
			middle[i] = v >> (blurSumBits - blurLevelBits)
		}
		for i := 3; i <= 3*radius; i += 3 {
			for c := range 3 {
				left, right := int16(0), int16(0)
				if b.border == Reflect {
					left, right = middle[i+c], middle[n-3-i+c]
				}
				line[3*radius-i+c], line[3*radius+n-3+i+c] = left, right
			}
		}
		fill(sums, 1<<(blurSumBits-1))
		for k, weight := range b.weights {
			addPairs(sums, line[3*(radius-k):], line[3*(radius+k):], weight)
		}
		for i, v := range sums {
			b.pix[n*y+i] = byte(v >> blurSumBits)
		}
	}
}

func fill(s []int16, v int16) {
	for i := range s {
		s[i] = v
	}
}

// addPairs adds the pairs of a and b, times weight, to sums.
func addPairs(sums, a, b []int16, weight int16) {
	a, b = a[:len(sums)], b[:len(sums)]
	for i := range sums {
		sums[i] += int16(((int(a[i])+int(b[i]))*int(weight) + 1<<(blurBits-1)) >> blurBits)
	}
}

// reflect folds the place i back into [0, n), as in ... 2 1 0 1 2 ...
func reflect(i, n int) int {
	if i < 0 {
		return -i
	}
	if i >= n {
		return 2*(n-1) - i
	}
	return i
}
