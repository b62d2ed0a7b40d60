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

// plainResize is Resize with nothing clever: one channel of one pixel at a time.
func plainResize(w, h int, src []byte, srcW int, box Rect, f Filter) []byte {
	across := makeTaps(make([]uint64, tapsWords(f, box.W, w)), f, box.W, w)
	down := makeTaps(make([]uint64, tapsWords(f, box.H, h)), f, box.H, h)
	sum := func(first int, weights []uint64, at func(i int) byte) byte {
		v := 1 << (f.bits() - 1)
		for i, weight := range weights {
			v += int(weight) * int(at(first+i))
		}
		return clamp(v >> f.bits())
	}
	mid := make([]byte, 3*w*box.H)
	dst := make([]byte, 3*w*h)
	for c := range 3 {
		for y := range box.H {
			for x := range w {
				first, weights := across.at(x)
				mid[3*(y*w+x)+c] = sum(first, weights, func(i int) byte { return src[3*((box.Y+y)*srcW+box.X+i)+c] })
			}
		}
		for y := range h {
			first, weights := down.at(y)
			for x := range w {
				dst[3*(y*w+x)+c] = sum(first, weights, func(i int) byte { return mid[3*(i*w+x)+c] })
			}
		}
	}
	return dst
}

func TestResizeIsThePlainOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		srcW, srcH := 1+r.IntN(90), 1+r.IntN(90)
		src := noise(srcW, srcH, r)
		box := Rect{W: 1 + r.IntN(srcW), H: 1 + r.IntN(srcH)}
		box.X, box.Y = r.IntN(srcW-box.W+1), r.IntN(srcH-box.H+1)
		w, h := 1+r.IntN(60), 1+r.IntN(60)
		for _, f := range []Filter{Bilinear, Bicubic} {
			got := make([]byte, 3*w*h)
			Resize(got, w, h, src, srcW, box, f, misaligned(ResizeScratch(box, w, h, f)))
			if want := plainResize(w, h, src, srcW, box, f); !bytes.Equal(got, want) {
				t.Fatalf("filter %d, %+v of %d x %d to %d x %d differs from the plain resize", f, box, srcW, srcH, w, h)
			}
		}
	}
}

// Weights must sum to one exactly, or flat areas would change their level.
func TestFlatImagesStayFlat(t *testing.T) {
	for _, level := range []byte{0, 1, 127, 254, 255} {
		for _, side := range []int{1, 2, 7, 33, 500} {
			src := bytes.Repeat([]byte{level}, 3*side*side)
			for _, f := range []Filter{Bilinear, Bicubic} {
				dst := make([]byte, 3*20*20)
				box := Rect{W: side, H: side}
				Resize(dst, 20, 20, src, side, box, f, misaligned(ResizeScratch(box, 20, 20, f)))
				if bytes.Count(dst, []byte{level}) != len(dst) {
					t.Errorf("filter %d from %d pixels: level %d does not stay", f, side, level)
				}
			}
			for _, sigma := range []float64{0.05, 0.7, 2, 30} {
				radius := min(side-1, 11)
				Blur(src, side, side, radius, sigma, misaligned(BlurScratch(side, radius)))
				if bytes.Count(src, []byte{level}) != len(src) {
					t.Fatalf("blur of sigma %g, %d pixels: level %d does not stay", sigma, side, level)
				}
			}
		}
	}
}

// plainBlur is Blur with nothing clever.
func plainBlur(pix []byte, w, h, radius int, sigma float64) []byte {
	weights := gauss(make([]uint64, radius+1), sigma)
	pass := func(in []byte, dx, dy int) []byte {
		out := make([]byte, len(in))
		for y := range h {
			for x := range w {
				for c := range 3 {
					v := 1 << (blurBits - 1)
					for i, weight := range weights {
						a := in[3*(reflect(y-i*dy, h)*w+reflect(x-i*dx, w))+c]
						b := in[3*(reflect(y+i*dy, h)*w+reflect(x+i*dx, w))+c]
						if i == 0 {
							b = 0
						}
						v += int(weight) * (int(a) + int(b))
					}
					out[3*(y*w+x)+c] = byte(v >> blurBits)
				}
			}
		}
		return out
	}
	return pass(pass(pix, 1, 0), 0, 1)
}

func TestBlurIsThePlainOne(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		w, h := 2+r.IntN(60), 2+r.IntN(60)
		radius := 1 + r.IntN(min(w, h)-1)
		sigma := 0.1 + 6*r.Float64()
		pix := noise(w, h, r)
		want := plainBlur(pix, w, h, radius, sigma)
		Blur(pix, w, h, radius, sigma, misaligned(BlurScratch(w, radius)))
		if !bytes.Equal(pix, want) {
			t.Fatalf("blur of %d x %d, radius %d, sigma %g differs from the plain one", w, h, radius, sigma)
		}
	}
}

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
			{"bilinear", func() { Resize(pix, side, side, src, srcW, box, Bilinear, scratch) }},
			{"bicubic", func() { Resize(pix, side, side, src, srcW, box, Bicubic, scratch) }},
			{"flip", func() { Flip(pix, side) }},
			{"brightness", func() { Brightness(pix, 1.2) }},
			{"contrast", func() { Contrast(pix, 1.2) }},
			{"saturation", func() { Saturation(pix, 1.2) }},
			{"hue", func() { Hue(pix, 0.1) }},
			{"grayscale", func() { Grayscale(pix) }},
			{"blur", func() { Blur(pix, side, side, 11, 1, scratch) }},
			{"blur2", func() { Blur(pix, side, side, 11, 2, scratch) }},
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
