package stages

import (
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// Flip mirrors the image from left to right with probability P.
type Flip struct {
	// P is the probability, in (0, 1]. Required; the paper uses 0.5 (appendix A).
	P float64
}

// Params implements pipeline.Drawer: "on".
func (f Flip) Params() []string { return onParams }

// Draw implements pipeline.Drawer.
func (f Flip) Draw(r *rand.Rand, _, _ int, p []float64) { p[0] = drawOn(r, f.P) }

// Apply implements pipeline.Stage.
func (f Flip) Apply(s *pipeline.Sample) error { return apply(f, s) }

// ApplyWith implements pipeline.Drawer.
func (f Flip) ApplyWith(s *pipeline.Sample, p []float64) error {
	if err := needPixels(s); err != nil {
		return err
	}
	if p[0] == yes {
		kernel.Flip(s.Image.Pix, s.Image.W)
	}
	return nil
}

// Shape implements pipeline.Shaper: the shape stays.
func (f Flip) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if err := needP("Flip", f.P); err != nil {
		return in, err
	}
	return in, needDecoded("Flip", in)
}
