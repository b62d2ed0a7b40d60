package pipeline

import (
	"context"
	"fmt"
)

// A Source is a finite, random-access collection of encoded images. It is used by many goroutines at once.
type Source interface {
	// Len is the number of images. It does not change while a pipeline runs.
	Len() int
	// Read sets s.Bytes, s.Label and s.Key for image i, with 0 <= i < Len. The bytes may be the Source's own
	// (nobody writes to them) or lie in s.Buffer. An error makes the image a bad sample, not the end of the run, unless it wraps
	// a *SourceError.
	Read(ctx context.Context, i int, s *Sample) error
}

// A Fingerprinter is a Source that can name its content: two sources with the same fingerprint hold the same images
// in the same order. A Stage may be one too, to name what its fields do not, such as the version of a decoder library. The
// fingerprint becomes part of Pipeline.Plan.
type Fingerprinter interface{ Fingerprint() string }

// A Stage transforms one sample in place. It is called from many goroutines at once, takes all randomness from s.Rand and
// keeps nothing of s. An error makes the image a bad sample, which a substitute replaces.
//
// A stage is known by the name of its type, such as "RandomResizedCrop"; another of the same name in a chain is
// "RandomResizedCrop#2". The name is part of the key of its random numbers. Its exported fields are its parameters and
// become part of Pipeline.Plan.
type Stage interface{ Apply(s *Sample) error }

// StageFunc makes a function a Stage. Name it with Named: a function has no name that survives an edit of the program.
type StageFunc func(s *Sample) error

// Apply calls f.
func (f StageFunc) Apply(s *Sample) error { return f(s) }

// A Shape is what is known of a sample before it is read.
type Shape struct {
	H, W int // pixels; 0 where they differ from sample to sample
	C    int // 3 for a decoded image, 0 for one still encoded
}

// Encoded reports whether the sample has no pixels yet.
func (s Shape) Encoded() bool { return s.C == 0 }

// Fixed reports whether every sample has the same number of pixels, as rows of a batch must.
func (s Shape) Fixed() bool { return s.H > 0 && s.W > 0 && s.C > 0 }

// String returns for example "224x224x3".
func (s Shape) String() string {
	if s.Encoded() {
		return "encoded image"
	}
	if !s.Fixed() {
		return "image of any size"
	}
	return fmt.Sprintf("%dx%dx%d", s.H, s.W, s.C)
}

// A Shaper is a Stage that knows the shape of its result. New asks once, so that a wrong order of stages fails before the
// first image. A Stage that is no Shaper is taken to keep the shape.
type Shaper interface {
	Shape(in Shape) (Shape, error)
}
