// Package near finds images that look nearly the same: by a perceptual hash of each, and an index that finds hashes close to each other.
package near

import "math"

// Side is the width and height, in pixels, of what Hash looks at.
const Side = 32

// frequencies is how many there are along an axis, with zero: what the diagonals below need.
const frequencies = 11

// wave[f][x] is the cosine of f half turns over a side, at pixel x, in 4096ths. Hash adds integers only, because sums of floating-point
// numbers may round differently on another machine.
var wave = func() (w [frequencies][Side]int) {
	for f := range w {
		for x := range w[f] {
			w[f][x] = int(math.Round(4096 * math.Cos(math.Pi*float64(f)*(float64(x)+0.5)/Side)))
		}
	}
	return w
}()

// Hash returns the perceptual hash of an image that was resized to Side by Side pixels of RGB, 3*Side*Side bytes. Bit i tells whether coefficient
// i of the cosine transform of its lightness is above a bound: a quarter of their mean magnitude, positive and negative in turn. The
// coefficients are the 64 of the lowest frequencies but for the mean, diagonal by diagonal, so brightness and contrast change nothing. An
// image of one colour has the hash 0.
//
// Copies that were encoded again or resized differ in few of the bits, unrelated images in about 30. The bound is not at zero, near which most
// coefficients of smooth or symmetric images are: noise would turn their bits. A hash of gradients (dHash) does worse on such images for that reason.
func Hash(rgb []byte) (h uint64) {
	coefficients := transform(rgb)
	bound := 0
	for _, c := range coefficients {
		bound += max(c, -c)
	}
	for i, c := range coefficients {
		if c*len(coefficients)*4 > bound {
			h |= 1 << i
		}
		bound = -bound
	}
	return h
}

// transform returns the coefficients that Hash looks at, in units of no meaning.
func transform(rgb []byte) (coefficients [64]int) {
	var rows [Side][frequencies]int // transformed along x
	for y := range rows {
		for x := range Side {
			p := rgb[3*(y*Side+x):][:3]
			light := 299*int(p[0]) + 587*int(p[1]) + 114*int(p[2])
			for f := range rows[y] {
				rows[y][f] += light * wave[f][x]
			}
		}
	}
	i := 0
	for diagonal := 1; diagonal < frequencies; diagonal++ {
		for down := 0; down <= diagonal && i < len(coefficients); down++ {
			for y := range rows {
				coefficients[i] += rows[y][diagonal-down] * wave[down][y]
			}
			i++
		}
	}
	return coefficients
}
