package kernel

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// plainBlur is Blur with nothing clever.
func plainBlur(pix []byte, w, h, radius int, sigma float64, border Border) []byte {
	weights := make([]int16, radius+1)
	radius = gauss(weights, sigma)
	if radius == 0 {
		return bytes.Clone(pix)
	}
	pass := func(in []int, dx, dy, bits int) []int {
		out := make([]int, len(in))
		for y := range h {
			for x := range w {
				for c := range 3 {
					at := func(i int) int {
						x, y := x+i*dx, y+i*dy
						if border == Zero && (x < 0 || x >= w || y < 0 || y >= h) {
							return 0
						}
						return in[3*(reflect(y, h)*w+reflect(x, w))+c]
					}
					v := 1 << (bits - 1)
					for i := range radius + 1 {
						v += int(math.Floor(float64((at(-i)+at(i))*int(weights[i]))/(1<<15) + 0.5))
					}
					out[3*(y*w+x)+c] = v >> bits
				}
			}
		}
		return out
	}
	levels := make([]int, len(pix))
	for i, v := range pix {
		levels[i] = int(v) << 6
	}
	out := make([]byte, len(pix))
	for i, v := range pass(pass(levels, 0, 1, 1), 1, 0, 7) {
		out[i] = byte(v)
	}
	return out
}

// blurCase blurs with every level, and compares with the plain blur. Nothing may be written behind the image.
func blurCase(t *testing.T, pix []byte, w, h, radius int, sigma float64, border Border) {
	t.Helper()
	want := append(plainBlur(pix, w, h, radius, sigma, border), 1, 2, 3)
	defer func(l Level) { current = l }(current)
	for _, current = range Levels() {
		got := append(bytes.Clone(pix), 1, 2, 3)
		if Blur(got, w, h, radius, sigma, border, misaligned(BlurScratch(w, radius))); !bytes.Equal(got, want) {
			t.Fatalf("level %v: blur of %d x %d, radius %d, sigma %g, border %d differs from the plain one", current, w, h, radius, sigma, border)
		}
	}
}

func TestBlurIsThePlainOne(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 120 {
		w, h := 2+r.IntN(60), 2+r.IntN(60)
		sigma := 0.1 + 6*r.Float64()
		pix := noise(w, h, r)
		blurCase(t, pix, w, h, 1+r.IntN(min(w, h)-1), sigma, Reflect)
		blurCase(t, pix, w, h, 1+r.IntN(MaxBlurRadius), sigma, Zero)
	}
	white := bytes.Repeat([]byte{255}, 3*80*70) // sums at the end of their range
	for _, sigma := range []float64{0.4, 2, 11, 29, 100} {
		blurCase(t, white, 80, 70, MaxBlurRadius, sigma, Reflect)
		blurCase(t, noise(80, 70, r), 80, 70, MaxBlurRadius, sigma, Reflect)
	}
}

func FuzzBlur(f *testing.F) {
	f.Add(uint64(1), uint8(48), uint8(40), uint8(11), 2.0, false)
	f.Add(uint64(2), uint8(5), uint8(6), uint8(60), 0.3, true)
	f.Fuzz(func(t *testing.T, seed uint64, w, h, radius uint8, sigma float64, zero bool) {
		if !(sigma >= 0.01 && sigma <= 100) {
			t.Skip("no sigma of a stage")
		}
		width, height, border, most := 2+int(w)%150, 2+int(h)%150, Reflect, MaxBlurRadius
		if zero {
			border = Zero
		} else {
			most = min(width-1, height-1, most)
		}
		blurCase(t, noise(width, height, rand.New(rand.NewPCG(seed, 0))), width, height, 1+int(radius)%most, sigma, border)
	})
}

// Weights must sum to one exactly, or flat areas would change their level.
func TestBlurredFlatImagesStayFlat(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		for level := range 256 {
			for _, side := range []int{2, 7, 61} {
				for _, sigma := range []float64{0.05, 0.4, 0.7, 2, 30} {
					pix := bytes.Repeat([]byte{byte(level)}, 3*side*side)
					radius := min(side-1, MaxBlurRadius)
					Blur(pix, side, side, radius, sigma, Reflect, misaligned(BlurScratch(side, radius)))
					if bytes.Count(pix, []byte{byte(level)}) != len(pix) {
						t.Fatalf("blur of sigma %g, %d pixels: level %d does not stay", sigma, side, level)
					}
				}
			}
		}
	})
}

// The blur is that of exact arithmetic, but for the last rounding of some pixels.
func TestBlurIsExactButForRounding(t *testing.T) {
	const w, h, radius = 40, 30, 11
	r := rand.New(rand.NewPCG(5, 6))
	for _, sigma := range []float64{0.3, 1, 2, 5} {
		pix := noise(w, h, r)
		exact := make([]float64, len(pix))
		total := 0.0
		gaussian := func(d int) float64 { return math.Exp(-float64(d*d) / (2 * sigma * sigma)) }
		for d := -radius; d <= radius; d++ {
			total += gaussian(d)
		}
		for i := range exact {
			x, y, c := i/3%w, i/3/w, i%3
			for dy := -radius; dy <= radius; dy++ {
				for dx := -radius; dx <= radius; dx++ {
					exact[i] += gaussian(dy) * gaussian(dx) / (total * total) * float64(pix[3*(reflect(y+dy, h)*w+reflect(x+dx, w))+c])
				}
			}
		}
		Blur(pix, w, h, radius, sigma, Reflect, make([]byte, BlurScratch(w, radius)))
		for i, v := range pix {
			if d := math.Abs(float64(v) - exact[i]); d > 0.6 {
				t.Fatalf("sigma %g: level %d is %.2f levels from the exact one", sigma, v, d)
			}
		}
	}
}

func TestBlurAllocatesNothing(t *testing.T) {
	pix, scratch := make([]byte, 3*40*30), make([]byte, BlurScratch(40, 11))
	atEachLevel(t, func(t *testing.T) {
		if n := testing.AllocsPerRun(10, func() { Blur(pix, 40, 30, 11, 2, Reflect, scratch) }); n > 0 {
			t.Errorf("a blur allocates %g times", n)
		}
	})
}

// The borders of an image that is black beyond them darken.
func TestZeroBordersDarken(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		pix := bytes.Repeat([]byte{200}, 3*30*30)
		Blur(pix, 30, 30, 11, 2, Zero, make([]byte, BlurScratch(30, 11)))
		centre, edge, corner := pix[3*(15*30+15)], pix[3*(15*30)], pix[0]
		// An edge pixel keeps the centre tap and those of one side: (1 + 0.1995) / 2 of its level for a sigma of 2.
		if centre != 200 || edge != 120 || corner != 72 {
			t.Errorf("centre, edge and corner are %d, %d and %d, want 200, 120 and 72", centre, edge, corner)
		}
	})
}

func BenchmarkBlur(b *testing.B) {
	pix, scratch := noise(224, 224, rand.New(rand.NewPCG(7, 8))), make([]byte, BlurScratch(224, 11))
	for _, sigma := range []float64{0.5, 1, 2} {
		benchmarkLevels(b, fmt.Sprintf("sigma=%g/224", sigma), func() { Blur(pix, 224, 224, 11, sigma, Reflect, scratch) })
	}
}

// The weights that are left in sum to one, and the outermost of them is one.
func TestGaussLeavesOutNoWeight(t *testing.T) {
	for sigma := 0.05; sigma < 40; sigma *= 1.05 {
		var weights [MaxBlurRadius + 1]int16
		radius := gauss(weights[:], sigma)
		sum := 0
		for _, w := range weights[:radius+1] {
			sum += int(w)
		}
		if radius > 0 && (sum != 1<<blurBits || weights[radius] == 0) {
			t.Errorf("sigma %g: %d weights sum to %d, and the last is %d", sigma, radius+1, sum, weights[radius])
		}
	}
}
