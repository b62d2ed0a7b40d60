package stages

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
)

// uniform draws from [lo, hi). Its parts are rounded one by one, so that no CPU fuses them.
func uniform(r *rand.Rand, lo, hi float64) float64 {
	return lo + float64(r.Float64()*(hi-lo))
}

// apply is Apply of a Drawer, for those who run a stage by hand. A pipeline draws by itself, into memory that it keeps.
func apply(d pipeline.Drawer, s *pipeline.Sample) error {
	p := make([]float64, len(d.Params()))
	d.Draw(s.Rand, s.Image.W, s.Image.H, p)
	return d.ApplyWith(s, p)
}

// A parameter that says yes or no is 1 or 0.
const (
	no  = 0.0
	yes = 1.0
)

// onParams are the parameters of a stage that only acts or does not.
var onParams = []string{"on"}

// drawOn draws whether a stage acts.
func drawOn(r *rand.Rand, p float64) float64 {
	if r.Float64() < p {
		return yes
	}
	return no
}

// errNoPixels is what a stage answers that is applied before Decode.
var errNoPixels = errors.New("the sample has no pixels yet: put stages.Decode before this stage")

func needPixels(s *pipeline.Sample) error {
	if s.Image.W == 0 || s.Image.H == 0 {
		return errNoPixels
	}
	return nil
}

// needDecoded is needPixels for a chain that is being checked.
func needDecoded(stage string, in pipeline.Shape) error {
	if in.Encoded() {
		return fmt.Errorf("stages.%s: its input is still encoded: put stages.Decode before it", stage)
	}
	return nil
}

// needP checks the probability of a stage.
func needP(stage string, p float64) error {
	if p == 0 {
		return fmt.Errorf("stages.%s: P is 0, so it would never act: set P, or leave the stage out", stage)
	}
	if !(p > 0 && p <= 1) {
		return fmt.Errorf("stages.%s: P is %g, want a probability in (0, 1]", stage, p)
	}
	return nil
}

// needScale checks bounds on a share of the image's area.
func needScale(stage string, s [2]float64) error {
	if !(0 < s[0] && s[0] <= s[1] && s[1] <= 1) {
		return fmt.Errorf("stages.%s: Scale is %v, want 0 < low <= high <= 1", stage, s)
	}
	return nil
}

// needSize checks the side of a square result.
func needSize(stage string, size int) error {
	if size < 1 || size > maxSize {
		return fmt.Errorf("stages.%s: Size is %d, want 1 to %d pixels", stage, size, maxSize)
	}
	return nil
}

// maxSize keeps a mistyped Size from taking the memory of the machine.
const maxSize = 1 << 14
