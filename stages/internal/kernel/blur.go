package kernel

import (
	"math"

	"github.com/goclr/goclr/stages/internal/exact"
)

// blurBits is the precision of the weights of Blur, which share the lanes of the bilinear resize.
const blurBits = bilinearBits

// MaxBlurRadius bounds the radius of Blur.
const MaxBlurRadius = 63

// BlurScratch is the length of the scratch that Blur needs for a radius.
func BlurScratch(w, radius int) int { return scratchBytes((2*radius+1)*w + (w + 2*radius) + w) }

// Blur blurs an image of w by h pixels in place with a Gaussian of standard deviation sigma pixels, cut off beyond radius and
// reflected at the borders as torchvision does it: the border pixel is not repeated. The radius must be below w and h.
func Blur(pix []byte, w, h, radius int, sigma float64, scratch []byte) {
	var room [MaxBlurRadius + 1]uint64
	weights := gauss(room[:radius+1], sigma)
	radius = len(weights) - 1
	if radius == 0 {
		return
	}
	space := words(scratch)
	take := func(n int) []uint64 {
		r := space[:n:n]
		space = space[n:]
		return r
	}
	depth := 2*radius + 1
	ring := take(depth * w) // rows blurred from side to side
	line := take(w + 2*radius)
	acc := take(w)
	row := func(y int) []uint64 { return ring[reflect(y, h)%depth*w:][:w] }
	ready := 0
	for y := range h {
		// A row of pix is read before the output reaches it, so the blur works in place.
		for ; ready < h && ready <= y+radius; ready++ {
			unpackRow(line[radius:radius+w], pix[3*w*ready:])
			for i := 1; i <= radius; i++ {
				line[radius-i] = line[radius+i]
				line[radius+w-1+i] = line[radius+w-1-i]
			}
			blurRow(ring[ready%depth*w:][:w], line, weights)
		}
		startRow(acc, row(y), weights[0])
		for i := 1; i <= radius; i++ {
			addPair(acc, row(y-i), row(y+i), weights[i])
		}
		packRow(pix[3*w*y:3*w*(y+1)], acc)
	}
}

// gauss fills weights with those of the centre and of the neighbours to one side, and cuts off those that are zero. Counted on
// both sides they sum to 1<<blurBits exactly, because it is the running sum, from the outside, that is rounded.
func gauss(weights []uint64, sigma float64) []uint64 {
	var g [MaxBlurRadius + 1]float64
	total := 1.0
	for i := 1; i < len(weights); i++ {
		g[i] = exact.Exp(-float64(i*i) / (2 * float64(sigma*sigma)))
		total += 2 * g[i]
	}
	tail, before := 0.0, 0.0
	for i := len(weights) - 1; i > 0; i-- {
		tail += g[i]
		now := math.Round(tail / total * (1 << blurBits))
		weights[i] = uint64(now - before)
		before = now
	}
	weights[0] = 1<<blurBits - 2*uint64(before)
	n := len(weights)
	for n > 1 && weights[n-1] == 0 {
		n--
	}
	return weights[:n]
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

// blurRow blurs line, which has a margin on both sides, into out.
func blurRow(out, line, weights []uint64) {
	radius := len(weights) - 1
	for x := range out {
		win := line[x : x+2*radius+1]
		v := weights[0]*win[radius] + half
		l, r := win[:radius], win[radius+1:]
		for i, w := range weights[1:] {
			v += w * (l[len(l)-1-i] + r[i])
		}
		out[x] = v >> blurBits & (255 * lanes)
	}
}

// addPair adds two rows times w to acc.
func addPair(acc, a, b []uint64, w uint64) {
	a, b = a[:len(acc)], b[:len(acc)]
	for i := range acc {
		acc[i] += w * (a[i] + b[i])
	}
}
