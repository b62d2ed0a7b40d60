// Package stages has the steps that make the two views of SimCLR (Chen et al. 2020, arXiv 2002.05709) out of encoded images:
// Decode, and after it the augmentations. The presets SimCLR and CIFAR are the usual chains of them, to be put inside
// pipeline.Pair behind Decode; Preset has the variants of the reference code too; Eval is what evaluation uses in their place.
//
// The augmentations that the paper compares (section 3, figures 4 and 5), and what they are called here:
//
//	crop and resize, flip      RandomResizedCrop, Flip
//	color distortion, jitter   ColorJitter, with one of its four fields for one effect alone
//	color distortion, drop     Grayscale
//	rotation                   Rotate
//	cutout                     Cutout
//	Gaussian noise             GaussianNoise
//	Gaussian blur              GaussianBlur
//	Sobel filtering            Sobel
//
// Every stage takes its random numbers from Sample.Rand, works on 8-bit RGB in integer arithmetic and gives the same bytes on
// every CPU. All of them are a pipeline.Drawer: what is random about a view is a few numbers, drawn before a pixel is seen.
// Parameters mean what they mean in torchvision or, with Style TensorFlow, in tf.image; tests hold the results to those libraries'.
//
// The zero value of a field is never a silent "do nothing". A probability P has no default: P must lie in (0, 1], and leaving
// a stage out is how to switch it off. Other fields state their default, if they have one.
package stages
