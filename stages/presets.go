package stages

import "github.com/goclr/goclr/pipeline"

// smallImage is the side in pixels up to which images are treated as CIFAR's are: no blur, and no crop in evaluation.
const smallImage = 64

// SimCLR is the chain that makes one view of size by size pixels (section 3 and appendix A of the paper): random resized crop,
// flip, colour jitter of the given strength with probability 0.8, grey with probability 0.2 and, above 64 pixels, blur with
// probability 0.5. The paper uses strength 1 for ImageNet and 0.5 for CIFAR-10. The largest strength is 2.5, where Hue reaches 0.5;
// at strength 0 there is no jitter.
//
// Put it inside pipeline.Pair, behind Decode:
//
//	pipeline.New(source, options, stages.Decode{}, pipeline.Pair(stages.SimCLR(224, 1)...))
func SimCLR(size int, strength float64) []pipeline.Stage {
	chain := []pipeline.Stage{RandomResizedCrop{Size: size}, Flip{P: 0.5}}
	if strength != 0 {
		chain = append(chain, ColorJitter{
			P:          0.8,
			Brightness: 0.8 * strength,
			Contrast:   0.8 * strength,
			Saturation: 0.8 * strength,
			Hue:        0.2 * strength,
		})
	}
	chain = append(chain, Grayscale{P: 0.2})
	if size > smallImage {
		chain = append(chain, GaussianBlur{P: 0.5})
	}
	return chain
}

// CIFAR is SimCLR for images of 32 by 32 pixels: strength 0.5 and no blur (appendix B.9).
func CIFAR() []pipeline.Stage { return SimCLR(32, 0.5) }

// Eval is the chain for evaluation at size by size pixels: the central 0.875 of the image, resized; or, up to 64 pixels, the
// whole image, resized if it has another size. Nothing in it is random. Put it behind Decode, without pipeline.Pair.
func Eval(size int) []pipeline.Stage {
	if size > smallImage {
		return []pipeline.Stage{CenterCrop{Size: size}}
	}
	return []pipeline.Stage{Resize{Size: size}}
}
