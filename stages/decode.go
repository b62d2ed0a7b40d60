package stages

import (
	"errors"
	"fmt"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
	"github.com/goclr/goclr/stages/internal/probe"
)

// DefaultMaxPixels is the pixel limit of Decode and Check where none is given: the size above which Pillow, too, refuses.
const DefaultMaxPixels = 178_956_970

// largestMaxPixels keeps a decoded image, with alpha, within the 2 GiB that bimg can hand over.
const largestMaxPixels = 500_000_000

// Why an image is refused. Errors of Decode and Check wrap one of these.
var (
	ErrEmpty     = probe.ErrEmpty     // a file of 0 bytes
	ErrFormat    = probe.ErrFormat    // none of the formats that Decode reads, for example a text file named .jpg
	ErrTruncated = probe.ErrTruncated // the file stops before the image does
	ErrCorrupt   = probe.ErrCorrupt   // the file contradicts itself, or libvips could not decode it
	ErrTooLarge  = errors.New("the image has too many pixels")
)

// Decode turns the encoded image of a sample into 8-bit RGB pixels. It reads JPEG, PNG, WebP, GIF and TIFF, by libvips.
//
//   - The EXIF orientation is applied, so that the image is seen upright.
//   - Grey, palette, CMYK and 16-bit images become 8-bit RGB. Embedded colour profiles are used for CMYK only.
//   - Transparent pixels are laid on white, which is what drawings and logos are made for.
//   - Of an animation or a document of several pages, the first is taken.
//
// A damaged or truncated file is an error; see ErrTruncated and its neighbours. The size is checked against MaxPixels in the
// header, before memory is taken for pixels.
type Decode struct {
	// MaxPixels is the largest width times height that is decoded, at most 500,000,000. Default DefaultMaxPixels.
	MaxPixels int
}

// Apply implements pipeline.Stage.
func (d Decode) Apply(s *pipeline.Sample) error {
	info, err := probeWithin(s.Bytes, d.MaxPixels)
	if err != nil {
		return err
	}
	m, err := decodeVips(s.Bytes, info)
	if err != nil {
		return err
	}
	m.copyTo(s.Next(m.w, m.h).Pix)
	s.Swap()
	if info.Orientation > 1 {
		w, h := upright(info, m.w, m.h)
		kernel.Orient(s.Next(w, h).Pix, s.Image.Pix, m.w, m.h, info.Orientation)
		s.Swap()
	}
	return nil
}

// Shape implements pipeline.Shaper: the input must be encoded, the result has three channels and any size.
func (d Decode) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if !in.Encoded() {
		return in, errors.New("stages.Decode: the image is decoded already: use Decode once, as the first stage")
	}
	if _, err := pixelLimit(d.MaxPixels); err != nil {
		return in, err
	}
	return pipeline.Shape{C: 3}, nil
}

// Check decodes the image file b, keeps nothing, and returns the size that Decode would give it. It returns the error that
// Decode would return. A maxPixels of 0 means DefaultMaxPixels. It is what an ingest asks of each image.
func Check(b []byte, maxPixels int) (w, h int, err error) {
	info, err := probeWithin(b, maxPixels)
	if err != nil {
		return 0, 0, err
	}
	m, err := decodeVips(b, info)
	if err != nil {
		return 0, 0, err
	}
	w, h = upright(info, m.w, m.h)
	return w, h, nil
}

// probeWithin reads the header of b and holds its size against the limit.
func probeWithin(b []byte, maxPixels int) (probe.Info, error) {
	limit, err := pixelLimit(maxPixels)
	if err != nil {
		return probe.Info{}, err
	}
	info, err := probe.Read(b)
	if err != nil {
		return info, err
	}
	if info.W > limit/info.H {
		return info, fmt.Errorf("%w: %d x %d, and the limit is %d; if the image is what you expect, raise the limit with -max-pixels",
			ErrTooLarge, info.W, info.H, limit)
	}
	return info, nil
}

func pixelLimit(maxPixels int) (int, error) {
	switch {
	case maxPixels == 0:
		return DefaultMaxPixels, nil
	case maxPixels < 0 || maxPixels > largestMaxPixels:
		return 0, fmt.Errorf("stages.Decode: MaxPixels (-max-pixels) is %d: it must be from 1 to %d, or 0 for %d",
			maxPixels, largestMaxPixels, DefaultMaxPixels)
	}
	return maxPixels, nil
}

// upright returns the size of an image of w by h stored pixels once its orientation is applied.
func upright(info probe.Info, w, h int) (int, int) {
	if info.Orientation >= 5 {
		return h, w
	}
	return w, h
}
