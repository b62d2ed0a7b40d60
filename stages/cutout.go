package stages

import (
	"image"
	"math"
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// Cutout covers a square with one colour, with probability P: the cutout that the paper studies (section 3, figures 4 and 5). It
// is that of DeVries and Taylor (2017): the centre of the square may be any pixel, so part of it may lie outside of the image.
type Cutout struct {
	// P is the probability, in (0, 1]. Required.
	P float64
	// Scale bounds the square's share of the image's area, in (0, 1], which is drawn uniformly. Default (0.25, 0.25): 16 of 32
	// pixels, as DeVries and Taylor have it on CIFAR-10.
	Scale [2]float64
	// Fill is the colour, red, green and blue. Default black.
	Fill [3]uint8
}

func (c Cutout) scale() [2]float64 {
	if c.Scale == [2]float64{} {
		return [2]float64{0.25, 0.25}
	}
	return c.Scale
}

var cutoutParams = append([]string{"on"}, boxParams...)

// Params implements pipeline.Drawer: "on", and "x", "y", "w" and "h" of what is covered, in pixels.
func (c Cutout) Params() []string { return cutoutParams }

// Draw implements pipeline.Drawer.
func (c Cutout) Draw(r *rand.Rand, w, h int, p []float64) {
	p[0] = drawOn(r, c.P)
	scale := c.scale()
	side := max(1, int(math.Round(math.Sqrt(float64(w*h)*uniform(r, scale[0], scale[1])))))
	x, y := r.IntN(max(w, 1)), r.IntN(max(h, 1))
	putBox(p[1:], rect(x-side/2, y-side/2, side, side).Intersect(image.Rect(0, 0, w, h)))
}

// Apply implements pipeline.Stage.
func (c Cutout) Apply(s *pipeline.Sample) error { return apply(c, s) }

// ApplyWith implements pipeline.Drawer.
func (c Cutout) ApplyWith(s *pipeline.Sample, p []float64) error {
	from, err := partOf(s, box(p[1:]))
	if err != nil {
		return err
	}
	if p[0] == yes {
		kernel.Fill(s.Image.Pix, s.Image.W, from, c.Fill)
	}
	return nil
}

// Shape implements pipeline.Shaper: the shape stays.
func (c Cutout) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if err := needP("Cutout", c.P); err != nil {
		return in, err
	}
	if err := needScale("Cutout", c.scale()); err != nil {
		return in, err
	}
	return in, needDecoded("Cutout", in)
}
