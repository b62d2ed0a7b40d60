package stages

import (
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// Grayscale takes the colour out of the image with probability P; it keeps its three channels. The paper also calls it color
// dropping (section 3).
type Grayscale struct {
	// P is the probability, in (0, 1]. Required; the paper uses 0.2 (appendix A).
	P float64
	// Style is how a grey level is rounded: down as in torchvision, the default, or to the nearest as in TensorFlow.
	Style Style
}

// Params implements pipeline.Drawer: "on".
func (g Grayscale) Params() []string { return onParams }

// Draw implements pipeline.Drawer.
func (g Grayscale) Draw(r *rand.Rand, _, _ int, p []float64) { p[0] = drawOn(r, g.P) }

// Apply implements pipeline.Stage.
func (g Grayscale) Apply(s *pipeline.Sample) error { return apply(g, s) }

// ApplyWith implements pipeline.Drawer.
func (g Grayscale) ApplyWith(s *pipeline.Sample, p []float64) error {
	ops, n := g.ops(p)
	return recolour(s, ops[:n])
}

func (g Grayscale) ops(p []float64) (ops [4]kernel.ColourOp, n int) {
	if p[0] == yes {
		ops[0], n = kernel.ColourOp{Kind: kernel.ToGrey, Round: g.Style == TensorFlow}, 1
	}
	return ops, n
}

// Shape implements pipeline.Shaper: the shape stays.
func (g Grayscale) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if err := needP("Grayscale", g.P); err != nil {
		return in, err
	}
	if err := needStyle("Grayscale", g.Style); err != nil {
		return in, err
	}
	return in, needDecoded("Grayscale", in)
}
