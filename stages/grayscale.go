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

// Params implements pipeline.Drawer: "on".
func (g Grayscale) Params() []string { return onParams }

// Draw implements pipeline.Drawer.
func (g Grayscale) Draw(r *rand.Rand, _, _ int, p []float64) { p[0] = drawOn(r, g.P) }

// Apply implements pipeline.Stage.
func (g Grayscale) Apply(s *pipeline.Sample) error { return apply(g, s) }

// ApplyWith implements pipeline.Drawer.
func (g Grayscale) ApplyWith(s *pipeline.Sample, p []float64) error {
	if err := needPixels(s); err != nil {
		return err
	}
	if p[0] == yes {
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
