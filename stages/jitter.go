package stages

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// ColorJitter changes brightness, contrast, saturation and hue, with probability P, in an order drawn anew for every image;
// results are clamped after each of the four. It is torchvision's ColorJitter inside RandomApply, or that of the reference code.
// Of strength s, SimCLR has 0.8s for the first three and 0.2s for hue (appendix A). One of the four alone, as in figure 5 of the
// paper, is a ColorJitter that has the other three at 0.
type ColorJitter struct {
	// P is the probability that anything changes, in (0, 1]. Required; the paper uses 0.8.
	P float64
	// Brightness b draws a factor from [max(0, 1-b), 1+b], by which every channel is multiplied. 0 leaves brightness as it is.
	Brightness float64
	// Contrast draws a factor likewise, by which the distance of every channel to a mean over the image is multiplied: the mean grey
	// level, or in TensorFlow the mean of the channel.
	Contrast float64
	// Saturation draws a factor likewise, by which the distance of every channel to the grey level of its pixel is multiplied, or in
	// TensorFlow the saturation of the HSV model.
	Saturation float64
	// Hue h, at most 0.5, draws a turn of the colour circle from [-h, h].
	Hue float64
	// AddBrightness makes brightness a number from [-Brightness, Brightness] that is added to every channel, where 1 is the step
	// from black to white: the first version of SimCLR.
	AddBrightness bool
	// Style is how the four act and round: down as in torchvision, the default, or to the nearest level. With TensorFlow, Contrast
	// and Saturation are at most 1, as tf.image demands.
	Style Style
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

// Params implements pipeline.Drawer: "on", the factors "brightness", "contrast" and "saturation", the turn "hue", and
// "order", whose four decimal digits say what acts first to last: 1 brightness, 2 contrast, 3 saturation, 4 hue.
func (c ColorJitter) Params() []string { return jitterParams }

// Draw implements pipeline.Drawer.
func (c ColorJitter) Draw(r *rand.Rand, _, _ int, p []float64) {
	p[jitterOn] = drawOn(r, c.P)
	order := [4]int{1, 2, 3, 4}
	r.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
	p[jitterOrder] = float64(1000*order[0] + 100*order[1] + 10*order[2] + order[3])
	factor := func(strength float64) float64 { return uniform(r, max(0, 1-strength), 1+strength) }
	shift := func(most float64) float64 { return uniform(r, -most, most) }
	if c.AddBrightness {
		p[jitterBrightness] = shift(c.Brightness)
	} else {
		p[jitterBrightness] = factor(c.Brightness)
	}
	p[jitterContrast], p[jitterSaturation] = factor(c.Contrast), factor(c.Saturation)
	p[jitterHue] = shift(c.Hue)
}

// Apply implements pipeline.Stage.
func (c ColorJitter) Apply(s *pipeline.Sample) error { return apply(c, s) }

// ApplyWith implements pipeline.Drawer.
func (c ColorJitter) ApplyWith(s *pipeline.Sample, p []float64) error {
	ops, n := c.ops(p)
	return recolour(s, ops[:n])
}

func (c ColorJitter) ops(p []float64) (ops [4]kernel.ColourOp, n int) {
	if p[jitterOn] != yes {
		return ops, 0
	}
	kinds := [...]kernel.ColourKind{
		jitterBrightness: kernel.Multiply, jitterContrast: kernel.GreyContrast, jitterSaturation: kernel.GreySaturation, jitterHue: kernel.TurnHue,
	}
	if c.Style == TensorFlow {
		kinds[jitterContrast], kinds[jitterSaturation] = kernel.ChannelContrast, kernel.HSVSaturation
	}
	neutral := [...]float64{jitterBrightness: 1, jitterContrast: 1, jitterSaturation: 1, jitterHue: 0}
	if c.AddBrightness {
		kinds[jitterBrightness], neutral[jitterBrightness] = kernel.Add, 0
	}
	for order, place := int(p[jitterOrder]), 1000; place > 0; place /= 10 {
		if op := order / place % 10; jitterBrightness <= op && op <= jitterHue && p[op] != neutral[op] {
			ops[n] = kernel.ColourOp{Kind: kinds[op], Factor: p[op], Round: c.Style == TensorFlow}
			n++
		}
	}
	return ops, n
}

// Fuse implements pipeline.Fuser: it takes in the stages right behind it that change colours too.
func (c ColorJitter) Fuse(next []pipeline.Drawer) (n int, applyWith func(s *pipeline.Sample, p []float64) error) {
	chain := colourChain{c}
	for _, d := range next {
		stage, ok := d.(colourer)
		if !ok {
			break
		}
		chain = append(chain, stage)
	}
	return len(chain) - 1, chain.applyWith
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
	if err := needStyle("ColorJitter", c.Style); err != nil {
		return in, err
	}
	most, why := 16.0, ""
	if c.Style == TensorFlow {
		most, why = 1, " with Style TensorFlow, since tf.image refuses factors below 0"
	}
	for _, f := range []struct {
		name   string
		v, max float64
		why    string
	}{{"Brightness", c.Brightness, 16, ""}, {"Contrast", c.Contrast, most, why}, {"Saturation", c.Saturation, most, why}, {"Hue", c.Hue, 0.5, ""}} {
		if !(f.v >= 0 && f.v <= f.max) {
			return in, fmt.Errorf("stages.ColorJitter: %s is %g, want 0 to %g%s", f.name, f.v, f.max, f.why)
		}
	}
	return in, needDecoded("ColorJitter", in)
}
