package stages

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"github.com/goclr/goclr/stages/internal/kernel"
	"github.com/goclr/goclr/stages/internal/probe"
)

// smallPixels is the size up to which Go's own decoders are used. libvips starts threads for every image, which costs 0.4 ms
// of CPU before the first pixel: twenty times what a CIFAR image takes here.
const smallPixels = 128 * 128

// errNotSmall sends an image on to libvips.
var errNotSmall = errors.New("not an image for the standard library")

// decodeSmall decodes the plain kinds of small JPEG and PNG. PNG gives the pixels that libvips gives; JPEG gives them within
// a few levels, since the inverse transforms round differently.
func decodeSmall(b []byte, info probe.Info) (picture, error) {
	if info.W*info.H > smallPixels {
		return nil, errNotSmall
	}
	var m image.Image
	var err error
	switch info.Format {
	case "JPEG":
		m, err = jpeg.Decode(bytes.NewReader(b))
	case "PNG":
		m, err = png.Decode(bytes.NewReader(b))
	default:
		return nil, errNotSmall
	}
	var unknownJPEG jpeg.UnsupportedError
	var unknownPNG png.UnsupportedError
	if errors.As(err, &unknownJPEG) || errors.As(err, &unknownPNG) {
		return nil, errNotSmall
	}
	if err != nil {
		return nil, fmt.Errorf("%w: cannot decode this %s file: %w", ErrCorrupt, info.Format, err)
	}
	switch m := m.(type) {
	case *image.YCbCr:
		switch m.SubsampleRatio {
		case image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420:
			return (*ycbcr)(m), nil
		}
	case *image.Gray:
		return (*grey)(m), nil
	case *image.RGBA: // of package png, without transparent pixels
		return (*rgba)(&image.NRGBA{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect}), nil
	case *image.NRGBA:
		return (*rgba)(m), nil
	}
	return nil, errNotSmall
}

type ycbcr image.YCbCr

func (m *ycbcr) size() (w, h int) { return m.Rect.Dx(), m.Rect.Dy() }

func (m *ycbcr) writeTo(dst, scratch []byte) {
	w, h := m.size()
	cw, ch := w, h
	if m.SubsampleRatio != image.YCbCrSubsampleRatio444 {
		cw = (w + 1) / 2
	}
	if m.SubsampleRatio == image.YCbCrSubsampleRatio420 {
		ch = (h + 1) / 2
	}
	kernel.YCbCr(dst,
		kernel.Plane{Pix: m.Y, W: w, H: h, Stride: m.YStride},
		kernel.Plane{Pix: m.Cb, W: cw, H: ch, Stride: m.CStride},
		kernel.Plane{Pix: m.Cr, W: cw, H: ch, Stride: m.CStride}, scratch)
}

func (m *ycbcr) scratch() int { return kernel.YCbCrScratch(m.Rect.Dx()) }

type grey image.Gray

func (m *grey) size() (w, h int) { return m.Rect.Dx(), m.Rect.Dy() }

func (m *grey) writeTo(dst, _ []byte) {
	w, h := m.size()
	for y := range h {
		for _, v := range m.Pix[y*m.Stride:][:w] {
			dst[0], dst[1], dst[2] = v, v, v
			dst = dst[3:]
		}
	}
}

func (m *grey) scratch() int { return 0 }

type rgba image.NRGBA

func (m *rgba) size() (w, h int) { return m.Rect.Dx(), m.Rect.Dy() }

func (m *rgba) writeTo(dst, _ []byte) {
	w, h := m.size()
	for y := range h {
		kernel.Flatten(dst[3*w*y:], m.Pix[y*m.Stride:][:4*w])
	}
}

func (m *rgba) scratch() int { return 0 }
