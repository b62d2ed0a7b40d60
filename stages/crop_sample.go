package stages

import (
	"image"
	"math"
	"math/rand/v2"

	"github.com/goclr/goclr/stages/internal/exact"
)

// sampleTorchvision draws a part of an image of w by h pixels as torchvision's RandomResizedCrop does it.
func sampleTorchvision(r *rand.Rand, w, h int, scale, ratio [2]float64) image.Rectangle {
	const attempts = 10
	area := float64(w * h)
	logLo, logHi := exact.Log(ratio[0]), exact.Log(ratio[1])
	for range attempts {
		a := float64(area * uniform(r, scale[0], scale[1]))
		aspect := exact.Exp(uniform(r, logLo, logHi))
		cw, ch := int(math.RoundToEven(math.Sqrt(a*aspect))), int(math.RoundToEven(math.Sqrt(a/aspect)))
		if 0 < cw && cw <= w && 0 < ch && ch <= h {
			y, x := r.IntN(h-ch+1), r.IntN(w-cw+1)
			return rect(x, y, cw, ch)
		}
	}
	cw, ch := w, h
	switch whole := float64(w) / float64(h); {
	case whole < ratio[0]:
		ch = min(h, max(1, int(math.RoundToEven(float64(w)/ratio[0]))))
	case whole > ratio[1]:
		cw = min(w, max(1, int(math.RoundToEven(float64(h)*ratio[1]))))
	}
	return rect((w-cw)/2, (h-ch)/2, cw, ch)
}

// sampleTensorFlow draws a part of an image of w by h pixels as tf.image.sample_distorted_bounding_box does it, with what the
// reference code asks for: the object is the whole image, of which a tenth must be covered.
func sampleTensorFlow(r *rand.Rand, w, h int, scale, ratio [2]float64) image.Rectangle {
	const (
		attempts = 100
		covered  = 0.1
	)
	whole := float64(w * h)
	least, most := float64(whole*scale[0]), float64(whole*scale[1])
	for range attempts {
		aspect := uniform(r, ratio[0], ratio[1])
		cw, ch := sizeTensorFlow(r, w, h, least, most, aspect)
		area := float64(cw * ch)
		if cw < 1 || cw > w || ch < 1 || ch > h || area < least || area > most || area/whole < covered {
			continue
		}
		var x, y int // TensorFlow leaves out the last place, unless it is the only one
		if ch < h {
			y = r.IntN(h - ch)
		}
		if cw < w {
			x = r.IntN(w - cw)
		}
		return rect(x, y, cw, ch)
	}
	return rect(0, 0, w, h)
}

// sizeTensorFlow draws the size of a part with a given aspect ratio and least and most pixels. It may not fit.
func sizeTensorFlow(r *rand.Rand, w, h int, least, most, aspect float64) (cw, ch int) {
	width := func(height int) int { return int(math.RoundToEven(float64(height) * aspect)) }
	lowest := int(math.RoundToEven(math.Sqrt(least / aspect)))
	highest := int(math.RoundToEven(math.Sqrt(most / aspect)))
	if width(highest) > w {
		highest = int((float64(w) + 0.5) / aspect)
	}
	highest = min(highest, h)
	lowest = min(lowest, highest)
	ch = lowest + r.IntN(highest-lowest+1)
	// A pixel more or less makes up for what rounding did to the area.
	if float64(width(ch)*ch) < least {
		ch++
	}
	if float64(width(ch)*ch) > most {
		ch--
	}
	return width(ch), ch
}
