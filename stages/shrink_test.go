//go:build cgo

package stages

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goclr/goclr/stages/internal/probe"
)

// testdata/shrink.py made the images to compare with: Pillow's Lanczos, which is the filter of libvips. What is left is the loss
// of a JPEG of quality 95, and that libvips halves first where it can.
func TestShrinkAgreesWithPillow(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"large.jpg", "shrink-64"}, {"large.jpg", "shrink-100"}, {"orientation6.jpg", "shrink-upright"}, {"alpha.png", "shrink-alpha"},
	} {
		want := readPNG(t, "decode/want/"+c.want+".png")
		small, err := Shrink(readFile(t, "decode/"+c.file), max(want.W, want.H), 95)
		if err != nil {
			t.Fatal(err)
		}
		most, mean := distance(t, decodeFile(t, small), want)
		t.Logf("%s: largest difference %d, mean %.3f", c.want, most, mean)
		if most > 30 || mean > 4 {
			t.Errorf("%s made %s: %d levels off at most, %.2f on average", c.file, c.want, most, mean)
		}
	}
}

func TestShrinkKeepsSmallImages(t *testing.T) {
	for _, name := range []string{"large.jpg", "orientation6.jpg", "lzw.tiff"} {
		b := readFile(t, "decode/"+name)
		for _, side := range []int{200, 201} {
			if got, err := Shrink(b, side, 90); err != nil || &got[0] != &b[0] || len(got) != len(b) {
				t.Errorf("%s at most %d px: other bytes than its own, or %v", name, side, err)
			}
		}
	}
}

func TestShrinkGivesPlainJPEG(t *testing.T) {
	for _, name := range []string{"large.jpg", "cmyk.jpg", "alpha.png", "grey16.png", "orientation5.jpg", "still.gif", "lossy.webp", "orientation8.tiff"} {
		b := readFile(t, "decode/"+name)
		w, h, err := Check(b, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Shrink(b, 13, 80)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		info, err := probe.Read(got)
		wantW, wantH := fit(w, h, 13)
		if want := (probe.Info{Format: "JPEG", W: wantW, H: wantH, Orientation: 1}); err != nil || info != want {
			t.Errorf("%s of %d x %d: %+v, %v; want %+v", name, w, h, info, err, want)
		}
		if bytes.Contains(got, []byte("Exif")) || bytes.Contains(got, []byte("ICC_PROFILE")) {
			t.Errorf("%s: metadata is left", name)
		}
		again, err := Shrink(b, 13, 80)
		if err != nil || !bytes.Equal(got, again) {
			t.Errorf("%s: other bytes the second time, or %v", name, err)
		}
	}
}

func TestShrinkQuality(t *testing.T) {
	b := readFile(t, "decode/large.jpg")
	var sizes []int
	for _, q := range []int{1, 50, 89, 90, 100} {
		got, err := Shrink(b, 96, q)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(got))
		_, frame, _ := bytes.Cut(got, []byte{0xff, 0xc0})
		if sampling, want := frame[9], map[bool]byte{true: 0x11, false: 0x22}[q >= 90]; sampling != want {
			t.Errorf("quality %d: sampling %#x, want %#x", q, sampling, want)
		}
	}
	for i := range sizes[1:] {
		if sizes[i+1] <= sizes[i] {
			t.Errorf("bytes at rising quality: %v", sizes)
		}
	}
}

func TestShrinkRefuses(t *testing.T) {
	jpeg := readFile(t, "decode/large.jpg")
	for _, c := range []struct {
		b             []byte
		side, quality int
		want          error
		says          string
	}{
		{jpeg, 0, 90, nil, "-max-side"},
		{jpeg, 64, 0, nil, "-quality"},
		{jpeg, 64, 101, nil, "from 1 to 100"},
		{nil, 64, 90, ErrEmpty, "0 bytes"},
		{jpeg[:len(jpeg)/2], 64, 90, ErrTruncated, "end marker"},
		{jpeg[:len(jpeg)/2], 640, 90, ErrTruncated, "end marker"},
		{resized(t, jpeg, 30000, 30000), 64, 90, ErrTooLarge, "30000 x 30000"},
	} {
		_, err := Shrink(c.b, c.side, c.quality)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%d bytes to %d px, quality %d: %v, want %v saying %q", len(c.b), c.side, c.quality, err, c.want, c.says)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct{ w, h, side, wantW, wantH int }{
		{500, 375, 400, 400, 300}, {375, 500, 400, 300, 400}, {401, 401, 400, 400, 400}, {1000, 1, 10, 10, 1},
		{3, 1000, 100, 1, 100}, {401, 203, 400, 400, 202}, {500, 333, 400, 400, 266},
	} {
		if w, h := fit(c.w, c.h, c.side); w != c.wantW || h != c.wantH {
			t.Errorf("%d x %d to %d: %d x %d, want %d x %d", c.w, c.h, c.side, w, h, c.wantW, c.wantH)
		}
	}
}
