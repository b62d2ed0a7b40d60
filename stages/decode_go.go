package stages

import (
	"image"

	"github.com/goclr/goclr/stages/internal/kernel"
)

// plain returns an image of Go's packages as a picture; false where it is neither grey nor RGB, with or without alpha, of 8 bits.
func plain(m image.Image) (picture, bool) {
	switch m := m.(type) {
	case *image.Gray:
		return (*grey)(m), true
	case *image.NRGBA:
		return (*rgba)(m), true
	case *image.RGBA:
		if m.Opaque() { // else the colours are multiplied by alpha
			return (*rgba)(&image.NRGBA{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect}), true
		}
	}
	return nil, false
}

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
