package pipeline

import (
	"context"
	"image"
	"math/rand/v2"
)

// An Image is an 8-bit RGB picture: W*H pixels of three interleaved bytes, rows from the top, no padding.
type Image struct {
	W, H int
	Pix  []byte // len 3*W*H

	// Origin is the place of the first pixel in the whole image: (0, 0), but for what a RegionDecoder leaves for a Cropper.
	Origin image.Point
}

// resize gives the image the size w by h and the origin (0, 0). It keeps the memory when that is large enough; the pixels are then arbitrary.
func (m *Image) resize(w, h int) {
	n := 3 * w * h
	if cap(m.Pix) < n {
		m.Pix = make([]byte, n)
	}
	m.W, m.H, m.Pix, m.Origin = w, h, m.Pix[:n], image.Point{}
}

// A Sample is one image on its way through the stages, together with the memory a worker reuses from sample to sample.
// It belongs to one goroutine. A Stage must not keep it, nor any slice of it, after Apply returns.
type Sample struct {
	ID    uint64 // index in the Source
	Label int32  // class, or -1 where there is none
	Key   string // name within the Source, for example "train/dog/0590.jpg"; for messages
	Bytes []byte // the encoded image, as Source.Read left it; stages must not write to it
	Image Image  // the decoded image; empty until a decoder has run

	// Rand yields the random numbers of the running stage. They are a function of
	// (seed, stage name, view, sample id, epoch), so what other stages draw changes nothing here.
	Rand *rand.Rand

	ctx     context.Context
	spare   Image
	base    Image // inside Pair, the pixels that the next view starts from
	buffer  []byte
	scratch []byte
	run     run
}

// NewSample returns an empty sample with a generator for the given key: what tests and services use to apply
// stages outside a pipeline.
func NewSample(ctx context.Context, k Key) *Sample {
	s := &Sample{ID: k.ID, Label: -1, ctx: ctx}
	s.Rand = rand.New(&s.run.gen)
	s.run.key = k
	s.run.gen.seek(k)
	return s
}

// Context is the context of the Batches call, for stages that wait.
func (s *Sample) Context() context.Context { return s.ctx }

// Next returns the spare image, given the size w by h, for a stage that cannot work in place: write the result there,
// then call Swap. Its pixels are arbitrary. It stays the same memory from sample to sample.
func (s *Sample) Next(w, h int) *Image {
	s.spare.resize(w, h)
	return &s.spare
}

// Swap makes the image last returned by Next the current one.
func (s *Sample) Swap() { s.Image, s.spare = s.spare, s.Image }

// keep copies the image to base, from where the next view starts: stages may write to the image they are given.
func (s *Sample) keep() {
	s.base.resize(s.Image.W, s.Image.H)
	copy(s.base.Pix, s.Image.Pix)
}

// rescue takes whole, the image that a Cropper has read, out of the reach of the stages behind it, to be the base of the next view.
// It reports whether the Cropper left it where Swap does.
func (s *Sample) rescue(whole Image) bool {
	s.spare, s.base = s.base, s.spare
	return s.base.W == whole.W && s.base.H == whole.H && &s.base.Pix[0] == &whole.Pix[0]
}

// Buffer returns n bytes of arbitrary content for a Source to read an encoded image into; set Bytes to it.
func (s *Sample) Buffer(n int) []byte {
	s.buffer = grow(s.buffer, n)
	return s.buffer
}

// Scratch returns n bytes of arbitrary content, valid until the stage returns or calls Scratch again.
func (s *Sample) Scratch(n int) []byte {
	s.scratch = grow(s.scratch, n)
	return s.scratch
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// run is where the sample stands: the key of its random numbers.
type run struct {
	key Key
	gen philox
}
