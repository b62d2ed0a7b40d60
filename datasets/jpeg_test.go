package datasets

import (
	"bytes"
	"image/jpeg"
	"math/rand/v2"
	"testing"
)

// TestJPEG decodes what appendJPEG writes with the standard library: sizes that are no multiple of a block, smooth content
// that must come back closely, and noise that uses long codes and long runs.
func TestJPEG(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		w, h, limit int
		at          func(x, y, c int) byte
	}{
		{1, 1, 3, func(_, _, c int) byte { return byte(90 * c) }},
		{8, 8, 3, func(_, _, c int) byte { return byte(255 - 100*c) }},
		{37, 21, 8, func(x, y, c int) byte { return byte(40*c + 3*x + 2*y) }},
		{64, 40, 255, func(_, _, _ int) byte { return byte(r.Uint32()) }},
		{48, 48, 255, func(x, y, _ int) byte { return byte(255 * (x / 3 % 2 * (y % 2))) }},
	} {
		pix := make([]byte, 3*c.w*c.h)
		for i := range pix {
			pix[i] = c.at(i/3%c.w, i/3/c.w, i%3)
		}
		b := appendJPEG([]byte("before"), pix, c.w, c.h)
		m, err := jpeg.Decode(bytes.NewReader(b[len("before"):]))
		if err != nil {
			t.Errorf("%dx%d: %v", c.w, c.h, err)
			continue
		}
		if m.Bounds().Dx() != c.w || m.Bounds().Dy() != c.h {
			t.Errorf("%dx%d: decodes to %v", c.w, c.h, m.Bounds())
		}
		worst, sum := 0, 0
		for i := range pix {
			x, y := i/3%c.w, i/3/c.w
			red, green, blue, _ := m.At(x, y).RGBA()
			d := int([]uint32{red, green, blue}[i%3]>>8) - int(pix[i])
			worst, sum = max(worst, d, -d), sum+d
		}
		if bias := float64(sum) / float64(len(pix)); worst > c.limit || bias > 3 || bias < -3 {
			t.Errorf("%dx%d: off by at most %d levels and %.1f on average, want %d and 3", c.w, c.h, worst, bias, c.limit)
		}
	}
}
