package stages

import (
	"fmt"
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// Rotate turns the image by 0, 90, 180 or 270 degrees, each as likely: the rotation that the paper studies (section 3, figures 4
// and 5). Where images have one size they must be square, as behind RandomResizedCrop.
type Rotate struct{}

var rotateParams = []string{"degrees"}

// Params implements pipeline.Drawer: "degrees", counter-clockwise.
func (Rotate) Params() []string { return rotateParams }

// Draw implements pipeline.Drawer.
func (Rotate) Draw(r *rand.Rand, _, _ int, p []float64) { p[0] = float64(90 * r.IntN(4)) }

// Apply implements pipeline.Stage.
func (t Rotate) Apply(s *pipeline.Sample) error { return apply(t, s) }

// ApplyWith implements pipeline.Drawer.
func (Rotate) ApplyWith(s *pipeline.Sample, p []float64) error {
	if err := needPixels(s); err != nil {
		return err
	}
	w, h := s.Image.W, s.Image.H
	nextW, nextH, orientation := h, w, 8
	switch p[0] {
	case 0:
		return nil
	case 180:
		nextW, nextH, orientation = w, h, 3
	case 270:
		orientation = 6
	}
	next := s.Next(nextW, nextH)
	kernel.Orient(next.Pix, s.Image.Pix, w, h, orientation)
	s.Swap()
	return nil
}

// Shape implements pipeline.Shaper: the shape stays.
func (Rotate) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if in.H != in.W {
		return in, fmt.Errorf("stages.Rotate: an image %v changes its shape when it is turned: make it square before, "+
			"for example by stages.RandomResizedCrop", in)
	}
	return in, needDecoded("Rotate", in)
}
