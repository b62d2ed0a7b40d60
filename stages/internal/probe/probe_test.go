package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// segment returns a JPEG marker segment.
func segment(mark byte, body ...byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, mark}, uint16(len(body)+2)), body...)
}

// exif returns an EXIF block of one entry, the orientation, in the byte order given, and a tail.
func exif(order binary.ByteOrder, orientation uint16, tail ...byte) []byte {
	head := "II*\x00"
	if order == binary.BigEndian {
		head = "MM\x00*"
	}
	b := make([]byte, 22)
	copy(b, head)
	order.PutUint32(b[4:], 8)
	order.PutUint16(b[8:], 1)
	order.PutUint16(b[10:], 274)
	order.PutUint16(b[12:], 3)
	order.PutUint32(b[14:], 1)
	order.PutUint16(b[18:], orientation)
	return append(append([]byte("Exif\x00\x00"), b...), tail...)
}

// jpegFile returns the markers of a JPEG of 200 by 100 pixels with the blocks given before the frame header.
func jpegFile(blocks ...[]byte) []byte {
	b := []byte{0xff, markSOI}
	b = append(b, bytes.Join(blocks, nil)...)
	b = append(b, segment(0xc2, 8, 0, 100, 0, 200, 1, 1, 0x11, 0)...)
	b = append(b, segment(markSOS, 1, 1, 0, 0, 63, 0)...)
	return append(b, 0x12, 0xff, 0x00, 0x34, 0xff, markRST0, 0x56, 0xff, 0xff, markEOI)
}

func TestJPEG(t *testing.T) {
	withThumbnail := jpegFile(segment(markAPP1, exif(binary.LittleEndian, 1, jpegFile()...)...))
	for _, c := range []struct {
		name string
		b    []byte
		want Info
		err  error
	}{
		{"plain", jpegFile(), Info{"JPEG", 200, 100, 1}, nil},
		{"little-endian EXIF", jpegFile(segment(markAPP1, exif(binary.LittleEndian, 6)...)), Info{"JPEG", 200, 100, 6}, nil},
		{"big-endian EXIF", jpegFile(segment(markAPP1, exif(binary.BigEndian, 8)...)), Info{"JPEG", 200, 100, 8}, nil},
		{"orientation out of range", jpegFile(segment(markAPP1, exif(binary.BigEndian, 9)...)), Info{"JPEG", 200, 100, 1}, nil},
		{"EXIF cut off", jpegFile(segment(markAPP1, exif(binary.BigEndian, 8)[:20]...)), Info{"JPEG", 200, 100, 1}, nil},
		{"bytes behind the end", append(jpegFile(), "trailer"...), Info{"JPEG", 200, 100, 1}, nil},
		{"the end marker of a thumbnail only", withThumbnail[:len(withThumbnail)-2], Info{}, ErrTruncated},
		{"no scan", append(jpegFile()[:15], 0xff, markEOI), Info{}, ErrCorrupt},
		{"no frame", []byte{0xff, markSOI, 0xff, markEOI}, Info{}, ErrCorrupt},
	} {
		got, err := Read(c.b)
		if !errors.Is(err, c.err) || err == nil && got != c.want {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.name, got, err, c.want, c.err)
		}
	}
}

func TestFramesLargerThanTheScreenOfAGIF(t *testing.T) {
	b := []byte("GIF89a\x04\x00\x04\x00\x00\x00\x00")
	b = append(b, 0x2c, 2, 0, 3, 0, 0x88, 0x13, 0x70, 0x17, 0, 8, 1, 0, 0, 0x3b)
	if got, err := Read(b); err != nil || got.W != 5002 || got.H != 6003 {
		t.Errorf("%+v, %v; want 5002 x 6003", got, err)
	}
}

// Decoders may notice these too, but not all do, and none says it as clearly.
func TestDamageIsSeenWithoutDecoding(t *testing.T) {
	for _, name := range []string{"large.jpg", "rgb.png", "lossless.webp", "alpha.webp", "still.gif", "raw.tiff", "lzw.tiff"} {
		whole, err := os.ReadFile(filepath.Join("..", "..", "testdata", "decode", name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(whole); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, n := range []int{len(whole) / 4, len(whole) / 2, len(whole) - len(whole)/8} {
			if _, err := Read(bytes.Clone(whole[:n])); !errors.Is(err, ErrTruncated) {
				t.Errorf("%s cut to %d bytes: %v, want %v", name, n, err, ErrTruncated)
			}
		}
		if name == "rgb.png" {
			whole[len(whole)/2] ^= 1
			if _, err := Read(whole); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s with a flipped bit: %v, want %v", name, err, ErrCorrupt)
			}
		}
	}
}

// TestFlippedPNG: no bit of a PNG can change unseen, not even where a decoder would go on: one of these turns the image round.
func TestFlippedPNG(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("..", "..", "testdata", "decode", "orientation6.png"))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := Read(whole); err != nil || info.Orientation != 6 {
		t.Fatalf("%+v, %v", info, err)
	}
	for bit := range 8 * len(whole) {
		whole[bit/8] ^= 1 << (bit % 8)
		if info, err := Read(whole); err == nil {
			t.Errorf("bit %d: taken as %+v", bit, info)
		}
		whole[bit/8] ^= 1 << (bit % 8)
	}
}
