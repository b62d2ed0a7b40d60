package stages

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/exact"
)

// RandomResizedCrop cuts out a random part of the image and resizes it to a square: the augmentation that SimCLR depends on
// most (section 3). As in torchvision, the area is uniform in Scale, the aspect ratio log-uniform in Ratio and the place
// uniform; after 10 draws that do not fit in the image, the largest central part whose ratio is allowed is taken.
type RandomResizedCrop struct {
	// Size is the side of the result in pixels. Required.
	Size int
	// Scale bounds the part's share of the image's area, in (0, 1]. Default (0.08, 1), as in the paper (appendix A).
	Scale [2]float64
	// Ratio bounds the part's width over height. Default (3/4, 4/3), as in the paper (appendix A).
	Ratio [2]float64
	// Interpolation resamples the part. Default Bilinear, as in torchvision; the reference code of SimCLR uses Bicubic.
	Interpolation Interpolation
}

// cropAttempts is torchvision's number of draws before the central crop.
const cropAttempts = 10

func (c RandomResizedCrop) scale() [2]float64 {
	if c.Scale == [2]float64{} {
		return [2]float64{0.08, 1}
	}
	return c.Scale
}

func (c RandomResizedCrop) ratio() [2]float64 {
	if c.Ratio == [2]float64{} {
		return [2]float64{3. / 4, 4. / 3}
	}
	return c.Ratio
}

// draw returns a random part of an image of w by h pixels.
func (c RandomResizedCrop) draw(r *rand.Rand, w, h int) image.Rectangle {
	scale, ratio := c.scale(), c.ratio()
	area := float64(w * h)
	logLo, logHi := exact.Log(ratio[0]), exact.Log(ratio[1])
	for range cropAttempts {
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

// Params implements pipeline.Drawer: "x", "y", "w" and "h" of the part, in pixels.
func (c RandomResizedCrop) Params() []string { return boxParams }

// Draw implements pipeline.Drawer.
func (c RandomResizedCrop) Draw(r *rand.Rand, w, h int, p []float64) { putBox(p, c.draw(r, w, h)) }

// Part implements pipeline.Cropper.
func (c RandomResizedCrop) Part(p []float64) image.Rectangle { return box(p) }

// Apply implements pipeline.Stage.
func (c RandomResizedCrop) Apply(s *pipeline.Sample) error { return apply(c, s) }

// ApplyWith implements pipeline.Drawer.
func (c RandomResizedCrop) ApplyWith(s *pipeline.Sample, p []float64) error {
	return resize(s, box(p), c.Size, c.Interpolation)
}

// Shape implements pipeline.Shaper: the result is Size by Size.
func (c RandomResizedCrop) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	const name = "RandomResizedCrop"
	scale, ratio := c.scale(), c.ratio()
	switch {
	case !(0 < scale[0] && scale[0] <= scale[1] && scale[1] <= 1):
		return in, fmt.Errorf("stages.%s: Scale is %v, want 0 < low <= high <= 1", name, scale)
	case !(0 < ratio[0] && ratio[0] <= ratio[1] && ratio[1] <= 100):
		return in, fmt.Errorf("stages.%s: Ratio is %v, want 0 < low <= high <= 100", name, ratio)
	}
	return squareShape(name, in, c.Size, c.Interpolation)
}
