package stages

import (
	"bytes"
	"errors"
	"testing"
)

// TestHeader compares headers with what is decoded, and asks for what is known of files that are not whole.
func TestHeader(t *testing.T) {
	for name, format := range map[string]string{"420.jpg": "JPEG", "rgb.png": "PNG", "alpha.webp": "WebP", "still.gif": "GIF",
		"lzw.tiff": "TIFF", "orientation6.jpg": "JPEG"} {
		b := readFile(t, "decode/"+name)
		h, err := ReadHeader(b)
		w, height, failed := Check(b, 0)
		if err != nil || failed != nil || h != (Header{format, w, height}) {
			t.Errorf("%s: %+v, %v; it decodes to %d x %d, %v", name, h, err, w, height, failed)
		}
	}
	if h, err := ReadHeader(readFile(t, "decode/420.jpg")[:700]); !errors.Is(err, ErrTruncated) || h.Format != "JPEG" {
		t.Errorf("truncated: %+v, %v", h, err)
	}
	for _, b := range [][]byte{nil, []byte("text")} {
		if h, err := ReadHeader(b); err == nil || h != (Header{}) {
			t.Errorf("%q: %+v, %v", b, h, err)
		}
	}
}

// TestCheckHeader: it takes what is damaged inside, and nothing that Check would refuse by its outside.
func TestCheckHeader(t *testing.T) {
	tiff := readFile(t, "decode/lzw.tiff")
	tiffW, tiffH, err := Check(tiff, 0)
	if err != nil {
		t.Fatal(err)
	}
	copy(tiff[len(tiff)/3:], bytes.Repeat([]byte{0xff}, 50))
	if _, _, err := Check(tiff, 0); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a damaged TIFF file: %v", err)
	}
	b := readFile(t, "decode/orientation6.jpg")
	w, h, err := Check(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		b            []byte
		maxPixels    int
		wantW, wantH int
		want         error
	}{
		{tiff, 0, tiffW, tiffH, nil}, {b, 0, w, h, nil},
		{nil, 0, 0, 0, ErrEmpty}, {[]byte("text"), 0, 0, 0, ErrFormat}, {b[:len(b)/2], 0, 0, 0, ErrTruncated}, {b, w*h - 1, 0, 0, ErrTooLarge},
	} {
		if w, h, err := CheckHeader(c.b, c.maxPixels); !errors.Is(err, c.want) || w != c.wantW || h != c.wantH {
			t.Errorf("%d x %d, %v; want %d x %d, %v", w, h, err, c.wantW, c.wantH, c.want)
		}
	}
}
