package pipeline

import (
	"image"
	"math/rand/v2"
)

// A Drawer is a Stage that draws its random parameters before it looks at a pixel, so that they are known before the image
// is: they can be written beside the views (Options.Params), and a decoder can be told what will be cut out. Apply is
// Draw followed by ApplyWith.
type Drawer interface {
	Stage
	// Params names the parameters, for example "x", "y", "w", "h". It returns the same slice at every call.
	Params() []string
	// Draw draws the parameters for an image of w by h pixels into p, which has a place for each of Params. Yes is 1, no is 0.
	Draw(r *rand.Rand, w, h int, p []float64)
	// ApplyWith does the work of Apply with parameters drawn before. It does not use s.Rand.
	ApplyWith(s *Sample, p []float64) error
}

// A Cropper is a Drawer that reads only a part of its image, writes to none of it, and leaves its result in a new one, by
// Sample.Next and Sample.Swap. Where croppers follow a RegionDecoder, only the parts that they read are decoded: the image
// that a Cropper finds then begins at Image.Origin of the whole one, in whose coordinates its parameters are.
type Cropper interface {
	Drawer
	// Part is what ApplyWith reads with the parameters p, in pixels of the whole image.
	Part(p []float64) image.Rectangle
}

// A RegionDecoder is a Stage that decodes the image, all of it or a part.
type RegionDecoder interface {
	Stage
	// Size is the size of the image that Apply would make, read from the header of s.Bytes.
	Size(s *Sample) (w, h int, err error)
	// ApplyRegion is Apply, but the result need only cover r, which lies in the image. It sets Image.Origin to where in the
	// whole image the result begins. Within r the pixels are those that Apply would give.
	ApplyRegion(s *Sample, r image.Rectangle) error
}

// A Fuser is a Drawer that can do the work of stages right behind it together with its own, faster than one after the other.
// The bytes are the same.
type Fuser interface {
	Drawer
	// Fuse returns how many of the stages next, all of them, the first n or none, it takes in, and what does the work of it and them:
	// a function like ApplyWith, for the parameters of all of them one after the other.
	Fuse(next []Drawer) (n int, applyWith func(s *Sample, p []float64) error)
}
