package stages

import (
	"fmt"
	"math"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// Interpolation is how a resize weighs source pixels. Both kinds are antialiased: the filter widens as the image shrinks.
type Interpolation int

// The interpolations, as Pillow and torchvision define them.
const (
	Bilinear Interpolation = iota
	Bicubic
)

// String returns "bilinear" or "bicubic".
func (i Interpolation) String() string {
	switch i {
	case Bilinear:
		return "bilinear"
	case Bicubic:
		return "bicubic"
	}
	return fmt.Sprintf("Interpolation(%d)", int(i))
}

func (i Interpolation) filter() kernel.Filter {
	if i == Bicubic {
		return kernel.Bicubic
	}
	return kernel.Bilinear
}

// Resize resizes the whole image to a square, changing its aspect ratio if need be.
type Resize struct {
	// Size is the side of the result in pixels. Required.
	Size int
	// Interpolation resamples the image. Default Bilinear.
	Interpolation Interpolation
}

// Apply implements pipeline.Stage.
func (z Resize) Apply(s *pipeline.Sample) error {
	if err := needPixels(s); err != nil {
		return err
	}
	resize(s, kernel.Rect{W: s.Image.W, H: s.Image.H}, z.Size, z.Interpolation)
	return nil
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

// box returns the central square of an image of w by h pixels.
func (c CenterCrop) box(w, h int) kernel.Rect {
	side := min(w, h, max(1, int(math.Round(c.fraction()*float64(min(w, h))))))
	return kernel.Rect{X: (w - side) / 2, Y: (h - side) / 2, W: side, H: side}
}

// Apply implements pipeline.Stage.
func (c CenterCrop) Apply(s *pipeline.Sample) error {
	if err := needPixels(s); err != nil {
		return err
	}
	resize(s, c.box(s.Image.W, s.Image.H), c.Size, c.Interpolation)
	return nil
}

// Shape implements pipeline.Shaper: the result is Size by Size.
func (c CenterCrop) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if f := c.fraction(); !(0 < f && f <= 1) {
		return in, fmt.Errorf("stages.CenterCrop: Fraction is %g, want a share of the shorter side in (0, 1]", f)
	}
	return squareShape("CenterCrop", in, c.Size, c.Interpolation)
}

// resize makes the region box of the image the image, size by size pixels.
func resize(s *pipeline.Sample, box kernel.Rect, size int, by Interpolation) {
	f := by.filter()
	next := s.Next(size, size)
	kernel.Resize(next.Pix, size, size, s.Image.Pix, s.Image.W, box, f, s.Scratch(kernel.ResizeScratch(box, size, size, f)))
	s.Swap()
}

// squareShape is the shape after a stage that resizes to a square.
func squareShape(stage string, in pipeline.Shape, size int, by Interpolation) (pipeline.Shape, error) {
	if err := needDecoded(stage, in); err != nil {
		return in, err
	}
	if err := needSize(stage, size); err != nil {
		return in, err
	}
	if by != Bilinear && by != Bicubic {
		return in, fmt.Errorf("stages.%s: Interpolation is %v, want Bilinear or Bicubic", stage, by)
	}
	return pipeline.Shape{H: size, W: size, C: in.C}, nil
}
