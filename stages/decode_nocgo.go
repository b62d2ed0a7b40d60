//go:build !cgo

package stages

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"runtime"
	"strings"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
	"github.com/goclr/goclr/stages/internal/probe"
	"golang.org/x/image/tiff"
)

// decodeRegion returns false: Go's package decodes whole images only.
func decodeRegion(*pipeline.Sample, image.Rectangle) bool { return false }

// isSound returns false: only a decode tells.
func isSound([]byte, probe.Info) bool { return false }

// decodeWhole decodes b, whose header says info, without applying the orientation. JPEG differs from what libjpeg-turbo gives by
// a few levels, since the inverse transforms round differently.
func decodeWhole(b []byte, info probe.Info) (picture, error) {
	var m image.Image
	var err error
	switch r := bytes.NewReader(b); info.Format {
	case "JPEG":
		m, err = jpeg.Decode(r)
	case "PNG":
		m, err = png.Decode(r)
	case "WebP":
		m, err = decodeWebP(b)
	case "GIF":
		m, err = gif.Decode(r)
	case "TIFF":
		m, err = tiff.Decode(r)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: Go's packages cannot decode this %s file: %w", ErrCorrupt, info.Format, err)
	}
	whole := image.Rect(0, 0, info.W, info.H)
	if p, ok := plain(m); ok && m.Bounds() == whole {
		return p, nil
	}
	if m, ok := m.(*image.YCbCr); ok && m.Rect == whole {
		switch m.SubsampleRatio {
		case image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420:
			return (*ycbcr)(m), nil
		}
	}
	return canvas{m, info.W, info.H}, nil
}

// decoders names what decides the pixels: image/jpeg changes with releases of Go, not with their patch level.
func decoders() string {
	parts := strings.SplitN(runtime.Version(), ".", 3)
	return "decoders in Go, " + strings.Join(parts[:min(2, len(parts))], ".")
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

// canvas is an image of any kind, perhaps a frame smaller than its canvas of w by h pixels, which is transparent elsewhere.
type canvas struct {
	frame image.Image
	w, h  int
}

func (m canvas) size() (w, h int) { return m.w, m.h }

func (m canvas) writeTo(dst, row []byte) {
	within := m.frame.Bounds().Intersect(image.Rect(0, 0, m.w, m.h))
	for y := range m.h {
		clear(row)
		if within.Min.Y <= y && y < within.Max.Y {
			for x := within.Min.X; x < within.Max.X; x++ {
				c := color.NRGBAModel.Convert(m.frame.At(x, y)).(color.NRGBA)
				row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = c.R, c.G, c.B, c.A
			}
		}
		kernel.Flatten(dst[3*m.w*y:], row)
	}
}

func (m canvas) scratch() int { return 4 * m.w }
