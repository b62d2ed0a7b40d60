package stages

import (
	"fmt"
	"image"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// boxParams are the parameters of a stage that works on a part of the image.
var boxParams = []string{"x", "y", "w", "h"}

// rect is the rectangle of w by h pixels at (x, y).
func rect(x, y, w, h int) image.Rectangle { return image.Rect(x, y, x+w, y+h) }

// putBox writes a rectangle as boxParams.
func putBox(p []float64, r image.Rectangle) {
	p[0], p[1], p[2], p[3] = float64(r.Min.X), float64(r.Min.Y), float64(r.Dx()), float64(r.Dy())
}

// box is the rectangle that p has as boxParams.
func box(p []float64) image.Rectangle { return rect(int(p[0]), int(p[1]), int(p[2]), int(p[3])) }

// partOf returns where a part of the whole image lies in what there is of it.
func partOf(s *pipeline.Sample, part image.Rectangle) (kernel.Rect, error) {
	if err := needPixels(s); err != nil {
		return kernel.Rect{}, err
	}
	m := &s.Image
	is := image.Rect(0, 0, m.W, m.H).Add(m.Origin)
	if part.Empty() || !part.In(is) {
		return kernel.Rect{}, fmt.Errorf("the part %v is not in the image, which has %v: parameters go with the image they were drawn for",
			part, is)
	}
	here := part.Sub(m.Origin)
	return kernel.Rect{X: here.Min.X, Y: here.Min.Y, W: here.Dx(), H: here.Dy()}, nil
}
