package kernel

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// noise returns an image of w by h pixels, half of whose levels are at the ends of the range, where lanes would overflow.
func noise(w, h int, r *rand.Rand) []byte {
	pix := make([]byte, 3*w*h)
	for i := range pix {
		switch r.IntN(4) {
		case 0:
			pix[i] = 255
		case 1:
		default:
			pix[i] = byte(r.IntN(256))
		}
	}
	return pix
}

// misaligned returns scratch that begins at an odd address and is not longer than promised.
func misaligned(n int) []byte { return make([]byte, n+1)[1 : n+1 : n+1] }

// A neutral parameter must leave every pixel alone, whatever its colour.
func TestNeutralColour(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for name, f := range map[string]func([]byte){
		"brightness": func(p []byte) { Brightness(p, 1) },
		"contrast":   func(p []byte) { Contrast(p, 1) },
		"saturation": func(p []byte) { Saturation(p, 1) },
		"hue":        func(p []byte) { Hue(p, 0) },
		"two flips":  func(p []byte) { Flip(p, 64); Flip(p, 64) },
	} {
		pix := noise(64, 64, r)
		want := bytes.Clone(pix)
		if f(pix); !bytes.Equal(pix, want) {
			t.Errorf("neutral %s changes pixels", name)
		}
	}
}

func TestOrientations(t *testing.T) {
	// a b c
	// d e f
	src := []byte("aaabbbcccdddeeefff")
	for i, want := range []string{"abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead"} {
		dst := make([]byte, len(src))
		Orient(dst, src, 3, 2, i+1)
		got := ""
		for ; len(dst) > 0; dst = dst[3:] {
			got += string(dst[0])
		}
		if got != want {
			t.Errorf("orientation %d gives %s, want %s", i+1, got, want)
		}
	}
}

func BenchmarkKernels(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, side := range []int{32, 224} {
		src, srcW, box := noise(2*side, 2*side, r), 2*side, Rect{X: 3, Y: 5, W: 3 * side / 2, H: 5 * side / 4}
		pix, clean := noise(side, side, r), noise(side, side, r)
		scratch := make([]byte, max(ResizeScratch(box, side, side, Bicubic), BlurScratch(side, 11)))
		for _, k := range []struct {
			name string
			f    func()
		}{
			{"bilinear", func() { Resize(pix, side, side, src, srcW, box, Bilinear, true, scratch) }},
			{"bicubic", func() { Resize(pix, side, side, src, srcW, box, Bicubic, false, scratch) }},
			{"flip", func() { Flip(pix, side) }},
			{"brightness", func() { Brightness(pix, 1.2) }},
			{"contrast", func() { Contrast(pix, 1.2) }},
			{"saturation", func() { Saturation(pix, 1.2) }},
			{"hue", func() { Hue(pix, 0.1) }},
			{"grayscale", func() { Grayscale(pix) }},
			{"blur", func() { Blur(pix, side, side, 11, 1, Reflect, scratch) }},
			{"blur2", func() { Blur(pix, side, side, 11, 2, Reflect, scratch) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", k.name, side), func(b *testing.B) {
				copy(pix, clean)
				for b.Loop() {
					k.f()
				}
			})
		}
	}
}
