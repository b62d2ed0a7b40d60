package stages

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// ColorJitter changes brightness, contrast, saturation and hue, with probability P, in an order drawn anew for every image;
// results are clamped after each of the four. It is torchvision's ColorJitter inside RandomApply. Of strength s, SimCLR has
// 0.8s for the first three and 0.2s for hue (appendix A).
type ColorJitter struct {
	// P is the probability that anything changes, in (0, 1]. Required; the paper uses 0.8.
	P float64
	// Brightness b draws a factor from [max(0, 1-b), 1+b], by which every channel is multiplied. 0 leaves brightness as it is.
	Brightness float64
	// Contrast draws a factor likewise, by which the distance of every channel to the mean grey level of the image is multiplied.
	Contrast float64
	// Saturation draws a factor likewise, by which the distance of every channel to the grey level of its pixel is multiplied.
	Saturation float64
	// Hue h, at most 0.5, draws a turn of the colour circle from [-h, h].
	Hue float64
}

// jitter is what one application of ColorJitter does: four factors, and the order in which they act.
type jitter struct {
	on                               bool
	order                            [4]int
	brightness, contrast, saturation float64
	hue                              float64
}

func (c ColorJitter) draw(r *rand.Rand) jitter {
	j := jitter{on: chance(r, c.P), order: [4]int{0, 1, 2, 3}}
	r.Shuffle(len(j.order), func(a, b int) { j.order[a], j.order[b] = j.order[b], j.order[a] })
	factor := func(strength float64) float64 { return uniform(r, max(0, 1-strength), 1+strength) }
	j.brightness, j.contrast, j.saturation = factor(c.Brightness), factor(c.Contrast), factor(c.Saturation)
	j.hue = uniform(r, -c.Hue, c.Hue)
	return j
}

// apply changes the pixels. Factors of 1 and a turn of 0 change nothing and are passed over.
func (j jitter) apply(pix []byte) {
	if !j.on {
		return
	}
	for _, op := range j.order {
		switch {
		case op == 0 && j.brightness != 1:
			kernel.Brightness(pix, j.brightness)
		case op == 1 && j.contrast != 1:
			kernel.Contrast(pix, j.contrast)
		case op == 2 && j.saturation != 1:
			kernel.Saturation(pix, j.saturation)
		case op == 3 && j.hue != 0:
			kernel.Hue(pix, j.hue)
		}
	}
}

// Apply implements pipeline.Stage.
func (c ColorJitter) Apply(s *pipeline.Sample) error {
	if err := needPixels(s); err != nil {
		return err
	}
	c.draw(s.Rand).apply(s.Image.Pix)
	return nil
}

// Shape implements pipeline.Shaper: the shape stays.
func (c ColorJitter) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if err := needP("ColorJitter", c.P); err != nil {
		return in, err
	}
	if c.Brightness == 0 && c.Contrast == 0 && c.Saturation == 0 && c.Hue == 0 {
		return in, errors.New("stages.ColorJitter: Brightness, Contrast, Saturation and Hue are all 0, so it would never act: " +
			"set one, or leave the stage out")
	}
	for _, f := range []struct {
		name   string
		v, max float64
	}{{"Brightness", c.Brightness, 16}, {"Contrast", c.Contrast, 16}, {"Saturation", c.Saturation, 16}, {"Hue", c.Hue, 0.5}} {
		if !(f.v >= 0 && f.v <= f.max) {
			return in, fmt.Errorf("stages.ColorJitter: %s is %g, want 0 to %g", f.name, f.v, f.max)
		}
	}
	return in, needDecoded("ColorJitter", in)
}
