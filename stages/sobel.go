package stages

import (
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// Sobel replaces the image by its edges with probability P: the Sobel filtering that the paper studies (section 3, figures 4
// and 5). As in DeepCluster, the filter sees grey levels; all three channels of the result are the length of its gradient,
// sqrt(gx*gx + gy*gy) / 4, at most 255, with gx the sum over the neighbours
//
//	-1  0  1
//	-2  0  2
//	-1  0  1
//
// and gy that of the transpose. So a straight edge from black to white gives 255. Beyond its border the image goes on as it ends.
type Sobel struct {
	// P is the probability, in (0, 1]. Required.
	P float64
}

// Params implements pipeline.Drawer: "on".
func (e Sobel) Params() []string { return onParams }

// Draw implements pipeline.Drawer.
func (e Sobel) Draw(r *rand.Rand, _, _ int, p []float64) { p[0] = drawOn(r, e.P) }

// Apply implements pipeline.Stage.
func (e Sobel) Apply(s *pipeline.Sample) error { return apply(e, s) }

// ApplyWith implements pipeline.Drawer.
func (e Sobel) ApplyWith(s *pipeline.Sample, p []float64) error {
	if err := needPixels(s); err != nil {
		return err
	}
	if p[0] == yes {
		w, h := s.Image.W, s.Image.H
		kernel.Sobel(s.Image.Pix, w, h, s.Scratch(kernel.SobelScratch(w, h)))
	}
	return nil
}

// Shape implements pipeline.Shaper: the shape stays.
func (e Sobel) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if err := needP("Sobel", e.P); err != nil {
		return in, err
	}
	return in, needDecoded("Sobel", in)
}
