package stages

import (
	"fmt"
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// Solarize inverts the bright levels of every channel with probability P, as torchvision's RandomSolarize does. SimCLR has no
// use for it, but its successors have: BYOL solarizes one of the two views with probability 0.2.
type Solarize struct {
	// P is the probability, in (0, 1]. Required.
	P float64
	// Threshold is the lowest level that is inverted, 1 to 255. Default 128.
	Threshold int
}

func (z Solarize) threshold() int {
	if z.Threshold == 0 {
		return 128
	}
	return z.Threshold
}

// Params implements pipeline.Drawer: "on".
func (z Solarize) Params() []string { return onParams }

// Draw implements pipeline.Drawer.
func (z Solarize) Draw(r *rand.Rand, _, _ int, p []float64) { p[0] = drawOn(r, z.P) }

// Apply implements pipeline.Stage.
func (z Solarize) Apply(s *pipeline.Sample) error { return apply(z, s) }

// ApplyWith implements pipeline.Drawer.
func (z Solarize) ApplyWith(s *pipeline.Sample, p []float64) error {
	ops, n := z.ops(p)
	return recolour(s, ops[:n])
}

func (z Solarize) ops(p []float64) (ops [4]kernel.ColourOp, n int) {
	if p[0] == yes {
		ops[0], n = kernel.ColourOp{Kind: kernel.Solarize, Factor: float64(z.threshold())}, 1
	}
	return ops, n
}

// Shape implements pipeline.Shaper: the shape stays.
func (z Solarize) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if err := needP("Solarize", z.P); err != nil {
		return in, err
	}
	if t := z.threshold(); t < 1 || t > 255 {
		return in, fmt.Errorf("stages.Solarize: Threshold is %d, want a level from 1 to 255", t)
	}
	return in, needDecoded("Solarize", in)
}
