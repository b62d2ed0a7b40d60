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

func (f Flip) draw(r *rand.Rand) bool { return chance(r, f.P) }

// Apply implements pipeline.Stage.
func (f Flip) Apply(s *pipeline.Sample) error {
	if err := needPixels(s); err != nil {
		return err
	}
	if f.draw(s.Rand) {
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
