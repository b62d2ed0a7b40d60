package stages

import (
	"fmt"
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// GaussianBlur blurs the image with probability P. It draws a standard deviation for every view of every image; the reference code
// draws one for all the images of a batch on an accelerator, where it blurs.
type GaussianBlur struct {
	// P is the probability, in (0, 1]. Required; the paper uses 0.5 (appendix A).
	P float64
	// Sigma bounds the standard deviation in pixels, which is drawn uniformly. Default (0.1, 2), as in the paper (appendix A).
	Sigma [2]float64
	// Kernel is the width of the kernel in pixels, odd. Default a tenth of the image's height, as in the reference code:
	// 2*(H/10/2)+1, which is 23 for 224 pixels; below 20 pixels that is 1, too narrow to blur, and an error.
	Kernel int
	// Style is what lies beyond the borders: the image reflected, as in torchvision, the default, or black, as in TensorFlow, where
	// the blurred image darkens towards its borders.
	Style Style
}

func (g GaussianBlur) sigma() [2]float64 {
	if g.Sigma == [2]float64{} {
		return [2]float64{0.1, 2}
	}
	return g.Sigma
}

func (g GaussianBlur) radius(height int) int {
	if g.Kernel == 0 {
		return height / 10 / 2
	}
	return g.Kernel / 2
}

var blurParams = []string{"on", "sigma"}

// Params implements pipeline.Drawer: "on" and "sigma", in pixels.
func (g GaussianBlur) Params() []string { return blurParams }

// Draw implements pipeline.Drawer.
func (g GaussianBlur) Draw(r *rand.Rand, _, _ int, p []float64) {
	p[0] = drawOn(r, g.P)
	s := g.sigma()
	p[1] = uniform(r, s[0], s[1])
}

// Apply implements pipeline.Stage.
func (g GaussianBlur) Apply(s *pipeline.Sample) error { return apply(g, s) }

// ApplyWith implements pipeline.Drawer.
func (g GaussianBlur) ApplyWith(s *pipeline.Sample, p []float64) error {
	if err := needPixels(s); err != nil {
		return err
	}
	w, h := s.Image.W, s.Image.H
	if err := g.fits(w, h); err != nil {
		return err
	}
	if p[0] == yes {
		radius, beyond := g.radius(h), kernel.Reflect
		if g.Style == TensorFlow {
			beyond = kernel.Zero
		}
		kernel.Blur(s.Image.Pix, w, h, radius, p[1], beyond, s.Scratch(kernel.BlurScratch(w, radius)))
	}
	return nil
}

// fits checks the kernel against an image of w by h pixels.
func (g GaussianBlur) fits(w, h int) error {
	switch radius := g.radius(h); {
	case radius < 1:
		return fmt.Errorf("stages.GaussianBlur: an image %d pixels high makes the default kernel 1 pixel wide: set Kernel, "+
			"or leave the stage out as the paper does for CIFAR-10", h)
	case radius > kernel.MaxBlurRadius:
		return fmt.Errorf("stages.GaussianBlur: Kernel is %d pixels, want at most %d", 2*radius+1, 2*kernel.MaxBlurRadius+1)
	case radius >= min(w, h):
		return fmt.Errorf("stages.GaussianBlur: a kernel of %d pixels reaches beyond an image of %d x %d: set a smaller Kernel",
			2*radius+1, w, h)
	}
	return nil
}

// Shape implements pipeline.Shaper: the shape stays.
func (g GaussianBlur) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if err := needP("GaussianBlur", g.P); err != nil {
		return in, err
	}
	if s := g.sigma(); !(0 < s[0] && s[0] <= s[1] && s[1] <= 100) {
		return in, fmt.Errorf("stages.GaussianBlur: Sigma is %v, want 0 < low <= high <= 100 pixels", s)
	}
	if g.Kernel < 0 || g.Kernel > 0 && g.Kernel%2 == 0 {
		return in, fmt.Errorf("stages.GaussianBlur: Kernel is %d, want an odd number of pixels, or 0 for the default", g.Kernel)
	}
	if err := needStyle("GaussianBlur", g.Style); err != nil {
		return in, err
	}
	if err := needDecoded("GaussianBlur", in); err != nil {
		return in, err
	}
	if in.Fixed() {
		return in, g.fits(in.W, in.H)
	}
	return in, nil
}
