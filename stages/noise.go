package stages

import (
	"fmt"
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// GaussianNoise adds normal noise to every channel of every pixel on its own, with probability P: the noise that the paper studies
// (section 3, figures 4 and 5). The paper does not say how strong its noise is. Results are clamped, so black and white get half of it.
type GaussianNoise struct {
	// P is the probability, in (0, 1]. Required.
	P float64
	// Sigma bounds the standard deviation, from 0 to 1 as a share of the range from black to white, which is drawn uniformly.
	// Default (0.1, 0.1), as in torchvision.
	Sigma [2]float64
}

func (n GaussianNoise) sigma() [2]float64 {
	if n.Sigma == [2]float64{} {
		return [2]float64{0.1, 0.1}
	}
	return n.Sigma
}

var noiseParams = []string{"on", "sigma", "seed"}

// Params implements pipeline.Drawer: "on", "sigma", and "seed", a whole number below 2**53 of which all the noise is a function.
func (n GaussianNoise) Params() []string { return noiseParams }

// Draw implements pipeline.Drawer.
func (n GaussianNoise) Draw(r *rand.Rand, _, _ int, p []float64) {
	p[0] = drawOn(r, n.P)
	s := n.sigma()
	p[1] = uniform(r, s[0], s[1])
	p[2] = float64(r.Uint64() >> 11)
}

// Apply implements pipeline.Stage.
func (n GaussianNoise) Apply(s *pipeline.Sample) error { return apply(n, s) }

// ApplyWith implements pipeline.Drawer.
func (n GaussianNoise) ApplyWith(s *pipeline.Sample, p []float64) error {
	if err := needPixels(s); err != nil {
		return err
	}
	if p[0] == yes {
		kernel.Noise(s.Image.Pix, p[1]*255, uint64(p[2]))
	}
	return nil
}

// Shape implements pipeline.Shaper: the shape stays.
func (n GaussianNoise) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if err := needP("GaussianNoise", n.P); err != nil {
		return in, err
	}
	if s := n.sigma(); !(0 < s[0] && s[0] <= s[1] && s[1] <= 1) {
		return in, fmt.Errorf("stages.GaussianNoise: Sigma is %v, want 0 < low <= high <= 1, as shares of the range from black to white", s)
	}
	return in, needDecoded("GaussianNoise", in)
}
