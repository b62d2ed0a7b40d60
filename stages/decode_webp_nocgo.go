//go:build !cgo

package stages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"

	"golang.org/x/image/webp"
)

// decodeWebP decodes the first frame of a WebP file. The package webp knows no animations, and no alpha channel in a lossless
// image that has metadata, so it is given a file of nothing but the chunks of that frame.
func decodeWebP(b []byte) (image.Image, error) {
	chunks, at := b[12:], image.Point{}
	if frame := findChunk(chunks, "ANMF"); len(frame) >= 16 {
		chunks, at = frame[16:], image.Pt(2*uint24(frame), 2*uint24(frame[3:]))
	}
	var file []byte
	if pixels := findChunk(chunks, "VP8L"); pixels != nil {
		file = appendChunk(file, "VP8L", pixels)
	} else if pixels := findChunk(chunks, "VP8 "); len(pixels) >= 10 {
		if alpha := findChunk(chunks, "ALPH"); alpha != nil {
			const hasAlpha = 1 << 4
			w, h := int(binary.LittleEndian.Uint16(pixels[6:]))&0x3fff-1, int(binary.LittleEndian.Uint16(pixels[8:]))&0x3fff-1
			file = appendChunk(file, "VP8X", []byte{hasAlpha, 0, 0, 0, byte(w), byte(w >> 8), 0, byte(h), byte(h >> 8), 0})
			file = appendChunk(file, "ALPH", alpha)
		}
		file = appendChunk(file, "VP8 ", pixels)
	} else {
		return nil, errors.New("no image data")
	}
	m, err := webp.Decode(bytes.NewReader(appendChunk(nil, "RIFF", append([]byte("WEBP"), file...))))
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *image.NRGBA:
		m.Rect = m.Rect.Add(at)
	case *image.YCbCr:
		m.Rect = m.Rect.Add(at)
		toFullRange(m)
	case *image.NYCbCrA:
		m.Rect = m.Rect.Add(at)
		toFullRange(&m.YCbCr)
	}
	return m, nil
}

// toFullRange stretches the samples of a WebP image, from 16 to 235 in luma and 16 to 240 in chroma, to those of a JPEG, which Go
// takes them for.
func toFullRange(m *image.YCbCr) {
	stretch(m.Y, 16, 219, 0)
	stretch(m.Cb, 128, 224, 128)
	stretch(m.Cr, 128, 224, 128)
}

// stretch makes the distance of each sample from zero 255/span of what it is, and counts it from newZero.
func stretch(pix []byte, zero, span, newZero int) {
	for i, v := range pix {
		d := 2 * 255 * (int(v) - zero)
		if d < 0 {
			d -= span
		} else {
			d += span
		}
		pix[i] = byte(min(max(newZero+d/(2*span), 0), 255))
	}
}

// findChunk returns the body of the first chunk of a kind, nil where there is none (RFC 9649, section 2.3).
func findChunk(b []byte, kind string) []byte {
	for len(b) >= 8 {
		n := min(int(binary.LittleEndian.Uint32(b[4:])), len(b)-8)
		if string(b[:4]) == kind {
			return b[8 : 8+n]
		}
		b = b[min(8+n+n&1, len(b)):]
	}
	return nil
}

// appendChunk appends a chunk, padded to an even length.
func appendChunk(b []byte, kind string, body []byte) []byte {
	b = binary.LittleEndian.AppendUint32(append(b, kind...), uint32(len(body)))
	b = append(b, body...)
	if len(body)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
