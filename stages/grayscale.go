package stages

import (
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// Grayscale takes the colour out of the image with probability P; it keeps its three channels.
type Grayscale struct {
	// P is the probability, in (0, 1]. Required; the paper uses 0.2 (appendix A).
	P float64
}

func (g Grayscale) draw(r *rand.Rand) bool { return chance(r, g.P) }

// Apply implements pipeline.Stage.
func (g Grayscale) Apply(s *pipeline.Sample) error {
	if err := needPixels(s); err != nil {
		return err
	}
	if g.draw(s.Rand) {
		kernel.Grayscale(s.Image.Pix)
	}
	return nil
}

// Shape implements pipeline.Shaper: the shape stays.
func (g Grayscale) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if err := needP("Grayscale", g.P); err != nil {
		return in, err
	}
	return in, needDecoded("Grayscale", in)
}
