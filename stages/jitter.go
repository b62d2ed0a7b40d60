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

// What ColorJitter draws, and where in its parameters.
const (
	jitterOn = iota
	jitterBrightness
	jitterContrast
	jitterSaturation
	jitterHue
	jitterOrder
)

var jitterParams = []string{"on", "brightness", "contrast", "saturation", "hue", "order"}

// Params implements pipeline.Drawer: "on", the three factors "brightness", "contrast" and "saturation", the turn "hue", and
// "order", whose four decimal digits say what acts first to last: 1 brightness, 2 contrast, 3 saturation, 4 hue.
func (c ColorJitter) Params() []string { return jitterParams }

// Draw implements pipeline.Drawer.
func (c ColorJitter) Draw(r *rand.Rand, _, _ int, p []float64) {
	p[jitterOn] = drawOn(r, c.P)
	order := [4]int{1, 2, 3, 4}
	r.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
	p[jitterOrder] = float64(1000*order[0] + 100*order[1] + 10*order[2] + order[3])
	factor := func(strength float64) float64 { return uniform(r, max(0, 1-strength), 1+strength) }
	p[jitterBrightness], p[jitterContrast], p[jitterSaturation] = factor(c.Brightness), factor(c.Contrast), factor(c.Saturation)
	p[jitterHue] = uniform(r, -c.Hue, c.Hue)
}

// Apply implements pipeline.Stage.
func (c ColorJitter) Apply(s *pipeline.Sample) error { return apply(c, s) }

// ApplyWith implements pipeline.Drawer. Factors of 1 and a turn of 0 change nothing and are passed over.
func (c ColorJitter) ApplyWith(s *pipeline.Sample, p []float64) error {
	if err := needPixels(s); err != nil {
		return err
	}
	if p[jitterOn] != yes {
		return nil
	}
	pix := s.Image.Pix
	for order, place := int(p[jitterOrder]), 1000; place > 0; place /= 10 {
		op := order / place % 10
		switch {
		case op == jitterBrightness && p[op] != 1:
			kernel.Brightness(pix, p[op])
		case op == jitterContrast && p[op] != 1:
			kernel.Contrast(pix, p[op])
		case op == jitterSaturation && p[op] != 1:
			kernel.Saturation(pix, p[op])
		case op == jitterHue && p[op] != 0:
			kernel.Hue(pix, p[op])
		}
	}
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
