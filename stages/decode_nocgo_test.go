//go:build !cgo

package stages

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var fingerprint = regexp.MustCompile(`^decoders in Go, go1\.\d+$`)

// decodable are the files that this build decodes.
func decodable(t testing.TB) []goldenDecode {
	return slices.DeleteFunc(readGolden(t).Decode, func(c goldenDecode) bool { return c.File == "decode/cmyk.tiff" })
}

// tolerated is how far a decode may be from Pillow's. Go knows no colour profiles, and makes black of ink what others make dark grey.
func tolerated(c goldenDecode) (most int, mean float64) {
	switch c.File {
	case "decode/cmyk.jpg":
		return 90, 30
	case "decode/lossy.webp":
		return 5, 1
	}
	return c.Most, max(c.Mean, float64(c.Most)/2)
}

func TestTIFFInCMYKIsRefused(t *testing.T) {
	if _, _, err := Check(readFile(t, "decode/cmyk.tiff"), 0); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "color model") {
		t.Errorf("%v, want that the colour model is unknown", err)
	}
}

// A frame that covers a part of its canvas lies on white.
func TestFrameOfAnAnimation(t *testing.T) {
	m := image.NewPaletted(image.Rect(1, 2, 3, 3), color.Palette{color.NRGBA{R: 10, G: 20, B: 30, A: 255}})
	var file bytes.Buffer
	if err := gif.EncodeAll(&file, &gif.GIF{Image: []*image.Paletted{m}, Delay: []int{0}, Config: image.Config{Width: 4, Height: 3}}); err != nil {
		t.Fatal(err)
	}
	got := decodeFile(t, file.Bytes())
	for i := range got.W * got.H {
		want := []byte{255, 255, 255}
		if image.Pt(i%got.W, i/got.W).In(m.Rect) {
			want = []byte{10, 20, 30}
		}
		if !bytes.Equal(got.Pix[3*i:][:3], want) {
			t.Errorf("pixel %d is %v, want %v", i, got.Pix[3*i:][:3], want)
		}
	}
}

func TestShrinkNeedsCgo(t *testing.T) {
	if _, err := Shrink(readFile(t, "decode/large.jpg"), 64, 90); err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=1") {
		t.Errorf("%v, want what to do about it", err)
	}
}
