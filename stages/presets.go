package stages

import (
	"fmt"

	"github.com/goclr/goclr/pipeline"
)

// smallImage is the side in pixels up to which images are treated as CIFAR's are: no blur, and no crop in evaluation.
const smallImage = 64

// PaperStrength is the strength of the colour jitter that the paper uses for images of size by size pixels: 1 for ImageNet (section 3),
// 0.5 for CIFAR-10 (appendix B.9), and here up to 64 pixels.
func PaperStrength(size int) float64 {
	if size > smallImage {
		return 1
	}
	return 0.5
}

// SimCLR is the chain that makes one view of size by size pixels (section 3 and appendix A of the paper): random resized crop,
// flip, colour jitter of the given strength with probability 0.8, grey with probability 0.2 and, above 64 pixels, blur with
// probability 0.5. The paper uses strength 1 for ImageNet and 0.5 for CIFAR-10. The largest strength is 2.5, where Hue reaches 0.5;
// at strength 0 there is no jitter.
//
// Put it inside pipeline.Pair, behind Decode:
//
//	pipeline.New(source, options, stages.Decode{}, pipeline.Pair(stages.SimCLR(224, 1)...))
func SimCLR(size int, strength float64) []pipeline.Stage {
	return simCLR(size, strength, Torchvision, false)
}

// Preset is the chain of a name that makes one view, for a flag:
//
//	torchvision  SimCLR: the transforms of torchvision, as most implementations use them
//	simclr-v1    the reference code (data_util.py of google-research/simclr) with impl='simclrv1'
//	simclr-v2    the same with impl='simclrv2', its default
//
// The two of the reference code draw the crop otherwise (Style), resize without antialiasing, take contrast about the mean of each
// channel and saturation from the HSV model, and blur towards black at the borders. They differ in brightness: v1 adds, v2
// multiplies. The reference code computes in floating point throughout; here each stage rounds to 8 bits.
//
// A strength that the preset cannot have, or a name that there is not, is an error.
func Preset(name string, size int, strength float64) ([]pipeline.Stage, error) {
	most, style := 1.25, TensorFlow
	switch name {
	case "torchvision":
		most, style = 2.5, Torchvision
	case "simclr-v1", "simclr-v2":
	default:
		return nil, fmt.Errorf("there is no preset %q: want torchvision, simclr-v1 or simclr-v2", name)
	}
	if !(0 <= strength && strength <= most) {
		return nil, fmt.Errorf("the strength of the colour jitter is %g: want 0 to %g for the preset %s", strength, most, name)
	}
	return simCLR(size, strength, style, name == "simclr-v1"), nil
}

func simCLR(size int, strength float64, style Style, addBrightness bool) []pipeline.Stage {
	crop := RandomResizedCrop{Size: size, Style: style}
	if style == TensorFlow {
		crop.Interpolation = BicubicTensorFlow
	}
	chain := []pipeline.Stage{crop, Flip{P: 0.5}}
	if strength != 0 {
		chain = append(chain, ColorJitter{
			P:             0.8,
			Brightness:    0.8 * strength,
			Contrast:      0.8 * strength,
			Saturation:    0.8 * strength,
			Hue:           0.2 * strength,
			AddBrightness: addBrightness,
			Style:         style,
		})
	}
	chain = append(chain, Grayscale{P: 0.2, Style: style})
	if size > smallImage {
		chain = append(chain, GaussianBlur{P: 0.5, Style: style})
	}
	return chain
}

// CIFAR is SimCLR for images of 32 by 32 pixels: strength 0.5 and no blur (appendix B.9).
func CIFAR() []pipeline.Stage { return SimCLR(32, PaperStrength(32)) }

// Supervised is the chain that makes the view of a labelled image of size by size pixels for training: random resized crop and flip
// (appendix B.5 of the paper). Put it behind Decode, without pipeline.Pair.
func Supervised(size int) []pipeline.Stage {
	return []pipeline.Stage{RandomResizedCrop{Size: size}, Flip{P: 0.5}}
}

// Eval is the chain for evaluation at size by size pixels: the central 0.875 of the image, resized; or, up to 64 pixels, the
// whole image, resized if it has another size. Nothing in it is random. Put it behind Decode, without pipeline.Pair.
func Eval(size int) []pipeline.Stage {
	if size > smallImage {
		return []pipeline.Stage{CenterCrop{Size: size}}
	}
	return []pipeline.Stage{Resize{Size: size}}
}
