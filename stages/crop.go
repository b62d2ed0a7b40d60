package stages

import (
	"fmt"
	"image"
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
)

// RandomResizedCrop cuts out a random part of the image and resizes it to a square: the augmentation that SimCLR depends on
// most (section 3).
type RandomResizedCrop struct {
	// Size is the side of the result in pixels. Required.
	Size int
	// Scale bounds the part's share of the image's area, in (0, 1]. Default (0.08, 1), as in the paper (appendix A).
	Scale [2]float64
	// Ratio bounds the part's width over height. Default (3/4, 4/3), as in the paper (appendix A).
	Ratio [2]float64
	// Interpolation resamples the part. Default Bilinear, as in torchvision; the reference code of SimCLR uses BicubicTensorFlow.
	Interpolation Interpolation
	// Style is how the part is drawn.
	//
	// Torchvision, the default: the area is uniform in Scale, the aspect ratio log-uniform in Ratio and the place uniform; after 10
	// draws that do not fit in the image, it is the largest central part of an allowed ratio.
	//
	// TensorFlow: the ratio is uniform in Ratio, then the height uniform between those that Scale allows, so large parts are rarer;
	// parts of less than a tenth of the image are drawn anew, whatever Scale; the last row and column are in no part but the
	// widest and highest; after 100 draws, it is the whole image.
	Style Style
}

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

// Params implements pipeline.Drawer: "x", "y", "w" and "h" of the part, in pixels.
func (c RandomResizedCrop) Params() []string { return boxParams }

// Draw implements pipeline.Drawer.
func (c RandomResizedCrop) Draw(r *rand.Rand, w, h int, p []float64) {
	sample := sampleTorchvision
	if c.Style == TensorFlow {
		sample = sampleTensorFlow
	}
	putBox(p, sample(r, w, h, c.scale(), c.ratio()))
}

// Part implements pipeline.Cropper.
func (c RandomResizedCrop) Part(p []float64) image.Rectangle { return box(p) }

// Apply implements pipeline.Stage.
func (c RandomResizedCrop) Apply(s *pipeline.Sample) error { return apply(c, s) }

// ApplyWith implements pipeline.Drawer.
func (c RandomResizedCrop) ApplyWith(s *pipeline.Sample, p []float64) error {
	return resize(s, box(p), c.Size, c.Interpolation, false)
}

// Fuse implements pipeline.Fuser: it takes in a Flip right behind it.
func (c RandomResizedCrop) Fuse(next []pipeline.Drawer) (n int, applyWith func(s *pipeline.Sample, p []float64) error) {
	return fuseFlip(next, c.Size, c.Interpolation)
}

// Shape implements pipeline.Shaper: the result is Size by Size.
func (c RandomResizedCrop) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	const name = "RandomResizedCrop"
	if err := needScale(name, c.scale()); err != nil {
		return in, err
	}
	if r := c.ratio(); !(0 < r[0] && r[0] <= r[1] && r[1] <= 100) {
		return in, fmt.Errorf("stages.%s: Ratio is %v, want 0 < low <= high <= 100", name, r)
	}
	if err := needStyle(name, c.Style); err != nil {
		return in, err
	}
	return squareShape(name, in, c.Size, c.Interpolation)
}
