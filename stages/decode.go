package stages

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

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

// Decode turns the encoded image of a sample into 8-bit RGB pixels. It reads JPEG, PNG, WebP, GIF and TIFF, by libvips;
// JPEG and PNG of at most 128 x 128 pixels by Go's standard library, which starts faster.
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
	m, err := decode(s.Bytes, info)
	if err != nil {
		return err
	}
	w, h := m.size()
	m.writeTo(s.Next(w, h).Pix, s.Scratch(m.scratch()))
	s.Swap()
	if info.Orientation > 1 {
		upW, upH := upright(info, w, h)
		kernel.Orient(s.Next(upW, upH).Pix, s.Image.Pix, w, h, info.Orientation)
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

// decode decodes b, whose header says info, without applying the orientation.
func decode(b []byte, info probe.Info) (picture, error) {
	m, err := decodeSmall(b, info)
	if errors.Is(err, errNotSmall) {
		return decodeVips(b, info)
	}
	return m, err
}

// Fingerprint implements pipeline.Fingerprinter: it names the decoders, another version of which may give other pixels.
func (d Decode) Fingerprint() string { return vipsVersion() + ", " + goRelease() }

// goRelease is the release of Go without its patch level, for example "go1.26": image/jpeg changes with releases only.
func goRelease() string {
	parts := strings.SplitN(runtime.Version(), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
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
	m, err := decode(b, info)
	if err != nil {
		return 0, 0, err
	}
	w, h = m.size()
	w, h = upright(info, w, h)
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
