package stages

import (
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
