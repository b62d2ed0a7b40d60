package stages

import (
	"context"
	"errors"
	"fmt"
	"image"

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
	ErrCorrupt   = probe.ErrCorrupt   // the file contradicts itself, or its pixels could not be decoded
	ErrTooLarge  = errors.New("the image has too many pixels")
)

// Decode turns the encoded image of a sample into 8-bit RGB pixels. It reads JPEG by libjpeg-turbo; PNG, WebP, GIF, TIFF and what is
// unusual among JPEG by libvips; PNG of at most 128 x 128 pixels by Go's standard library, which starts faster. A program built
// without cgo decodes everything in Go: several times slower, whole images only, no CMYK in TIFF.
//
//   - The EXIF orientation is applied, so that the image is seen upright.
//   - Grey, palette, CMYK and 16-bit images become 8-bit RGB. Embedded colour profiles are used for CMYK only, by libvips.
//   - Transparent pixels are laid on white, which is what drawings and logos are made for.
//   - Of an animation or a document of several pages, the first is taken.
//
// A damaged or truncated file is an error; see ErrTruncated and its neighbours. The size is checked against MaxPixels in the
// header, before memory is taken for pixels.
//
// Where croppers follow, only the rectangle of a JPEG that they read is decoded (see pipeline.RegionDecoder). Damage behind its
// last row is then not seen, which is why an ingest checks whole images, by Check. The views are the same either way.
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
	return decode(s, info, image.Rect(0, 0, info.W, info.H))
}

// Size implements pipeline.RegionDecoder.
func (d Decode) Size(s *pipeline.Sample) (w, h int, err error) {
	info, err := probeWithin(s.Bytes, d.MaxPixels)
	if err != nil {
		return 0, 0, err
	}
	w, h = upright(info)
	return w, h, nil
}

// ApplyRegion implements pipeline.RegionDecoder. The image has columns beside r of which the outermost are not those of the whole.
func (d Decode) ApplyRegion(s *pipeline.Sample, r image.Rectangle) error {
	info, err := probeWithin(s.Bytes, d.MaxPixels)
	if err != nil {
		return err
	}
	if info.Orientation > 1 {
		r = image.Rect(0, 0, info.W, info.H)
	}
	return decode(s, info, r)
}

// decode makes the region r of the stored image of s.Bytes, whose header says info, or all of it, the image of s, and turns it upright.
func decode(s *pipeline.Sample, info probe.Info, r image.Rectangle) error {
	if info.Format != "JPEG" || !decodeRegion(s, r) {
		m, err := decodeWhole(s.Bytes, info)
		if err != nil {
			return err
		}
		if w, h := m.size(); w != info.W || h != info.H {
			return fmt.Errorf("%w: the %s file says that it has %d x %d pixels, and decodes to %d x %d", ErrCorrupt, info.Format, info.W, info.H, w, h)
		}
		m.writeTo(s.Next(info.W, info.H).Pix, s.Scratch(m.scratch()))
		s.Swap()
	}
	if info.Orientation > 1 {
		kernel.Orient(s.Next(upright(info)).Pix, s.Image.Pix, info.W, info.H, info.Orientation)
		s.Swap()
	}
	return nil
}

// A picture is a decoded image in the form that its decoder left it in.
type picture interface {
	size() (w, h int)
	// writeTo writes RGB to dst, 3*w*h bytes, laid on white where it is transparent.
	writeTo(dst, scratch []byte)
	// scratch is the length of the scratch that writeTo needs.
	scratch() int
}

// Fingerprint implements pipeline.Fingerprinter: it names the decoders, another version of which may give other pixels.
func (d Decode) Fingerprint() string { return decoders() }

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

// Check reads all of the image file b, keeps nothing, and returns the size that Decode would give it. It returns the error that Decode would
// return. Of a JPEG it reads all codes, but makes no pixels of them, which no damage can hinder; where that finds fault, and with other
// formats, it decodes. A maxPixels of 0 means DefaultMaxPixels. It is what an ingest asks of each image.
func Check(b []byte, maxPixels int) (w, h int, err error) {
	info, err := probeWithin(b, maxPixels)
	if err != nil {
		return 0, 0, err
	}
	if info.Format != "JPEG" || !isSound(b, info) {
		s := pipeline.NewSample(context.Background(), pipeline.Key{})
		s.Bytes = b
		if err := decode(s, info, image.Rect(0, 0, info.W, info.H)); err != nil {
			return 0, 0, err
		}
	}
	w, h = upright(info)
	return w, h, nil
}

// CheckHeader returns the size that Decode would give the image file b, by its header, its format and whether it ends where it says. Damage
// between is not seen: what it passes may yet fail to decode. Otherwise it is as Check.
func CheckHeader(b []byte, maxPixels int) (w, h int, err error) {
	info, err := probeWithin(b, maxPixels)
	if err != nil {
		return 0, 0, err
	}
	w, h = upright(info)
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

// upright returns the size of an image once its orientation is applied.
func upright(info probe.Info) (w, h int) {
	if info.Orientation >= 5 {
		return info.H, info.W
	}
	return info.W, info.H
}
