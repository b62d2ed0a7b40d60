// Package stages has the steps that make the two views of SimCLR (Chen et al. 2020, arXiv 2002.05709) out of encoded images:
// Decode, and after it the augmentations. The presets SimCLR and CIFAR are the usual chains of them, to be put inside
// pipeline.Pair behind Decode; Eval is what evaluation uses in their place.
//
// Every stage takes its random numbers from Sample.Rand, works on 8-bit RGB in integer arithmetic and gives the same bytes on
// every CPU. Parameters mean what they mean in torchvision, and results are held to torchvision's by tests.
//
// The zero value of a field is never a silent "do nothing". A probability P has no default: P must lie in (0, 1], and leaving
// a stage out is how to switch it off. Other fields state their default, if they have one.
package stages
