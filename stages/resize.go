package stages

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// Interpolation is how a resize weighs source pixels.
type Interpolation int

// The interpolations. The first two are those of Pillow and torchvision, and antialiased: the filter widens as the image shrinks.
const (
	Bilinear Interpolation = iota
	Bicubic

	// BicubicTensorFlow is tf.image.resize_bicubic of TensorFlow 1, which the reference code of SimCLR calls. It weighs 4 by 4
	// pixels, however much the image shrinks, so fine patterns alias, and it moves the image by up to half a pixel.
	BicubicTensorFlow
)

// filters are the interpolations in the kernels' words.
var filters = [...]kernel.Filter{Bilinear: kernel.Bilinear, Bicubic: kernel.Bicubic, BicubicTensorFlow: kernel.BicubicTF1}

// String returns for example "bicubic".
func (i Interpolation) String() string {
	switch i {
	case Bilinear:
		return "bilinear"
	case Bicubic:
		return "bicubic"
	case BicubicTensorFlow:
		return "bicubic of TensorFlow 1"
	}
	return fmt.Sprintf("Interpolation(%d)", int(i))
}

// Resize resizes the whole image to a square, changing its aspect ratio if need be.
type Resize struct {
	// Size is the side of the result in pixels. Required.
	Size int
	// Interpolation resamples the image. Default Bilinear.
	Interpolation Interpolation
}

// Params implements pipeline.Drawer: "x", "y", "w" and "h" of the image, in pixels.
func (z Resize) Params() []string { return boxParams }

// Draw implements pipeline.Drawer. Nothing is random.
func (z Resize) Draw(_ *rand.Rand, w, h int, p []float64) { putBox(p, rect(0, 0, w, h)) }

// Part implements pipeline.Cropper.
func (z Resize) Part(p []float64) image.Rectangle { return box(p) }

// Apply implements pipeline.Stage.
func (z Resize) Apply(s *pipeline.Sample) error { return apply(z, s) }

// ApplyWith implements pipeline.Drawer.
func (z Resize) ApplyWith(s *pipeline.Sample, p []float64) error {
	return resize(s, box(p), z.Size, z.Interpolation, false)
}

// Fuse implements pipeline.Fuser: it takes in a Flip right behind it.
func (z Resize) Fuse(next []pipeline.Drawer) (n int, applyWith func(s *pipeline.Sample, p []float64) error) {
	return fuseFlip(next, z.Size, z.Interpolation)
}

// Shape implements pipeline.Shaper: the result is Size by Size.
func (z Resize) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	return squareShape("Resize", in, z.Size, z.Interpolation)
}

// CenterCrop cuts out the central square and resizes it: how images are looked at in evaluation.
type CenterCrop struct {
	// Size is the side of the result in pixels. Required.
	Size int
	// Fraction is the side of the square over the shorter side of the image, in (0, 1]. Default 0.875, the share that 224 is
	// of 256, as in the reference code.
	Fraction float64
	// Interpolation resamples the square. Default Bilinear.
	Interpolation Interpolation
}

func (c CenterCrop) fraction() float64 {
	if c.Fraction == 0 {
		return 0.875
	}
	return c.Fraction
}

// Params implements pipeline.Drawer: "x", "y", "w" and "h" of the square, in pixels.
func (c CenterCrop) Params() []string { return boxParams }

// Draw implements pipeline.Drawer. Nothing is random.
func (c CenterCrop) Draw(_ *rand.Rand, w, h int, p []float64) {
	side := min(w, h, max(1, int(math.Round(c.fraction()*float64(min(w, h))))))
	putBox(p, rect((w-side)/2, (h-side)/2, side, side))
}

// Part implements pipeline.Cropper.
func (c CenterCrop) Part(p []float64) image.Rectangle { return box(p) }

// Apply implements pipeline.Stage.
func (c CenterCrop) Apply(s *pipeline.Sample) error { return apply(c, s) }

// ApplyWith implements pipeline.Drawer.
func (c CenterCrop) ApplyWith(s *pipeline.Sample, p []float64) error {
	return resize(s, box(p), c.Size, c.Interpolation, false)
}

// Fuse implements pipeline.Fuser: it takes in a Flip right behind it.
func (c CenterCrop) Fuse(next []pipeline.Drawer) (n int, applyWith func(s *pipeline.Sample, p []float64) error) {
	return fuseFlip(next, c.Size, c.Interpolation)
}

// Shape implements pipeline.Shaper: the result is Size by Size.
func (c CenterCrop) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if f := c.fraction(); !(0 < f && f <= 1) {
		return in, fmt.Errorf("stages.CenterCrop: Fraction is %g, want a share of the shorter side in (0, 1]", f)
	}
	return squareShape("CenterCrop", in, c.Size, c.Interpolation)
}

// resize makes the part of the whole image the image, size by size pixels, mirrored if flip.
func resize(s *pipeline.Sample, part image.Rectangle, size int, by Interpolation, flip bool) error {
	from, err := partOf(s, part)
	if err != nil {
		return err
	}
	f := filters[by]
	next := s.Next(size, size)
	kernel.Resize(next.Pix, size, size, s.Image.Pix, s.Image.W, from, f, flip, s.Scratch(kernel.ResizeScratch(from, size, size, f)))
	s.Swap()
	return nil
}

// fuseFlip is Fuse of a stage that resizes the part which its parameters are: a mirrored resize costs no more than another.
func fuseFlip(next []pipeline.Drawer, size int, by Interpolation) (n int, applyWith func(s *pipeline.Sample, p []float64) error) {
	if len(next) == 0 {
		return 0, nil
	}
	if _, ok := next[0].(Flip); !ok {
		return 0, nil
	}
	return 1, func(s *pipeline.Sample, p []float64) error {
		return resize(s, box(p), size, by, p[len(boxParams)] == yes)
	}
}

// squareShape is the shape after a stage that resizes to a square.
func squareShape(stage string, in pipeline.Shape, size int, by Interpolation) (pipeline.Shape, error) {
	if err := needDecoded(stage, in); err != nil {
		return in, err
	}
	if err := needSize(stage, size); err != nil {
		return in, err
	}
	if by < 0 || int(by) >= len(filters) {
		return in, fmt.Errorf("stages.%s: Interpolation is %v, want Bilinear, Bicubic or BicubicTensorFlow", stage, by)
	}
	return pipeline.Shape{H: size, W: size, C: in.C}, nil
}
