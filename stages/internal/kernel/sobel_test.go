package kernel

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

// plainSobel is Sobel as the books have it: a convolution of the grey image, its border repeated, with two kernels.
func plainSobel(pix []byte, w, h int) []byte {
	grey := bytes.Clone(pix)
	Colour(grey, []ColourOp{{Kind: ToGrey, Round: true}})
	at := func(x, y int) float64 { return float64(grey[3*(min(max(y, 0), h-1)*w+min(max(x, 0), w-1))]) }
	weights := [3][3]float64{{-1, 0, 1}, {-2, 0, 2}, {-1, 0, 1}}
	out := make([]byte, len(pix))
	for y := range h {
		for x := range w {
			var gx, gy float64
			for j := range 3 {
				for i := range 3 {
					gx += weights[j][i] * at(x+i-1, y+j-1)
					gy += weights[i][j] * at(x+i-1, y+j-1)
				}
			}
			v := byte(min(math.Round(math.Sqrt(gx*gx+gy*gy)/4), 255))
			copy(out[3*(y*w+x):], []byte{v, v, v})
		}
	}
	return out
}

func TestSobelIsThePlainOne(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 100 {
		w, h := 1+r.IntN(30), 1+r.IntN(30)
		pix := noise(w, h, r)
		want := plainSobel(pix, w, h)
		Sobel(pix, w, h, make([]byte, SobelScratch(w, h)))
		if !bytes.Equal(pix, want) {
			t.Fatalf("Sobel of %d x %d differs from the plain one", w, h)
		}
	}
}

// A step from black to white gives 255 on both sides of it, whichever way it runs.
func TestSobelOfAStep(t *testing.T) {
	pix := append(make([]byte, 3*8*4), bytes.Repeat([]byte{255}, 3*8*4)...)
	Sobel(pix, 8, 8, make([]byte, SobelScratch(8, 8)))
	for y := range 8 {
		want := byte(0)
		if y == 3 || y == 4 {
			want = 255
		}
		if pix[3*8*y] != want {
			t.Errorf("row %d is %d, want %d", y, pix[3*8*y], want)
		}
	}
}
