//go:build cgo

package stages

import (
	"context"
	"fmt"
	"strings"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/tiff"
	"github.com/h2non/bimg"
)

// Shrink makes the image file b at most maxSide pixels wide and high, once, before training, so that every epoch reads and decodes
// less. An image whose longer side exceeds maxSide is decoded as Decode does, resized to it with its aspect ratio kept (Lanczos,
// antialiased), and returned as a JPEG of the given quality, 1 to 100: upright, 8-bit RGB on white, without metadata, chroma
// halved both ways (4:2:0) below quality 90 and whole (4:4:4) from there on. Any other image is returned as it is, the very bytes of b.
//
// The same version of libvips gives the same bytes. Errors are those of Decode with its default limit of pixels; damage in an
// image that needs no shrinking is not looked for beyond its header: see Check. It takes about three times as long as decoding.
func Shrink(b []byte, maxSide, quality int) ([]byte, error) {
	if maxSide < 1 {
		return nil, fmt.Errorf("stages.Shrink: maxSide (-max-side) is %d: it must be at least 1 pixel", maxSide)
	}
	if quality < 1 || quality > 100 {
		return nil, fmt.Errorf("stages.Shrink: quality (-quality) is %d: it must be from 1 to 100", quality)
	}
	info, err := probeWithin(b, 0)
	if err != nil {
		return nil, err
	}
	if max(info.W, info.H) <= maxSide {
		return b, nil
	}
	s := pipeline.NewSample(context.Background(), pipeline.Key{})
	s.Bytes = b
	if err := (Decode{}).Apply(s); err != nil {
		return nil, err
	}
	w, h := fit(s.Image.W, s.Image.H, maxSide)
	setupVips()
	out, err := bimg.NewImage(tiff.EncodeRGB(s.Image.Pix, s.Image.W, s.Image.H)).Process(bimg.Options{
		Width: w, Height: h, Force: true, Type: bimg.JPEG, Quality: quality, StripMetadata: true})
	if err != nil {
		return nil, fmt.Errorf("libvips cannot resize this %s file of %d x %d pixels to %d x %d: %s",
			info.Format, info.W, info.H, w, h, strings.Join(strings.Fields(err.Error()), " "))
	}
	return out, nil
}

// fit returns the size of an image of w by h pixels whose longer side is made side; the shorter one is rounded, and at least 1.
func fit(w, h, side int) (int, int) {
	if w >= h {
		return side, max(1, (2*h*side+w)/(2*w))
	}
	return max(1, (2*w*side+h)/(2*h)), side
}
