package kernel

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

var filters = []Filter{Bilinear, Bicubic, BicubicTF1}

// plainResize is Resize with nothing clever: one channel of one pixel at a time.
func plainResize(w, h int, src []byte, srcW int, box Rect, f Filter, flip bool) []byte {
	across := makeTaps(make([]uint64, tapsWords(f, box.W, w)), f, box.W, w, false)
	down := makeTaps(make([]uint64, tapsWords(f, box.H, h)), f, box.H, h, false)
	sum := func(first int, weights []int16, shift int, at func(i int) int) int {
		v := 1 << (shift - 1)
		for i, weight := range weights {
			v += int(weight) * at(first+i)
		}
		return v >> shift
	}
	mid := make([]int, 3*w*box.H)
	dst := make([]byte, 3*w*h)
	for c := range 3 {
		for y := range box.H {
			for x := range w {
				first, weights := across.at(x)
				v := sum(first, weights, f.bits()-f.kept(), func(i int) int { return int(src[3*((box.Y+y)*srcW+box.X+i)+c]) })
				if f != BicubicTF1 {
					v = int(clamp(v))
				}
				mid[3*(y*w+x)+c] = v
			}
		}
		for y := range h {
			first, weights := down.at(y)
			for x := range w {
				to := x
				if flip {
					to = w - 1 - x
				}
				dst[3*(y*w+to)+c] = clamp(sum(first, weights, f.bits()+f.kept(), func(i int) int { return mid[3*(i*w+x)+c] }))
			}
		}
	}
	return dst
}

// resizeCase resizes with every level, and compares with the plain resize. The image ends where the test's memory does, and
// nothing may be written behind the result.
func resizeCase(t *testing.T, src []byte, srcW, srcH int, box Rect, w, h int, f Filter, flip bool) {
	t.Helper()
	want := append(plainResize(w, h, src, srcW, box, f, flip), 1, 2, 3)
	defer func(l Level) { current = l }(current)
	for _, current = range Levels() {
		got := append(bytes.Repeat([]byte{77}, 3*w*h), 1, 2, 3)
		Resize(got, w, h, src, srcW, box, f, flip, misaligned(ResizeScratch(box, w, h, f)))
		if !bytes.Equal(got, want) {
			t.Fatalf("level %v: filter %d, flip %v, %+v of %d x %d to %d x %d differs from the plain resize",
				current, f, flip, box, srcW, srcH, w, h)
		}
	}
}

func TestResizeIsThePlainOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		srcW, srcH := 1+r.IntN(90), 1+r.IntN(90)
		src := noise(srcW, srcH, r)
		box := Rect{W: 1 + r.IntN(srcW), H: 1 + r.IntN(srcH)}
		box.X, box.Y = r.IntN(srcW-box.W+1), r.IntN(srcH-box.H+1)
		w, h := 1+r.IntN(60), 1+r.IntN(60)
		switch i % 10 { // one direction alone, or none
		case 0:
			w = box.W
		case 1:
			h = box.H
		case 2:
			w, h = box.W, box.H
		}
		for _, f := range filters {
			resizeCase(t, src, srcW, srcH, box, w, h, f, r.IntN(2) == 0)
		}
	}
	long, wide := noise(2, 3000, r), noise(3000, 2, r)
	for _, f := range filters {
		resizeCase(t, long, 2, 3000, Rect{W: 2, H: 3000}, 20, 5, f, false)
		resizeCase(t, wide, 3000, 2, Rect{W: 3000, H: 2}, 5, 20, f, true)
	}
}

func FuzzResize(f *testing.F) {
	f.Add(uint64(1), uint16(97), uint16(61), uint16(3), uint16(5), uint16(70), uint16(50), uint8(32), uint8(33), uint8(0), true)
	f.Add(uint64(2), uint16(5), uint16(6), uint16(0), uint16(0), uint16(5), uint16(1), uint8(64), uint8(1), uint8(2), false)
	f.Fuzz(func(t *testing.T, seed uint64, srcW, srcH, x, y, boxW, boxH uint16, w, h, filter uint8, flip bool) {
		sw, sh := 1+int(srcW)%200, 1+int(srcH)%200
		box := Rect{X: int(x) % sw, Y: int(y) % sh}
		box.W, box.H = 1+int(boxW)%(sw-box.X), 1+int(boxH)%(sh-box.Y)
		src := noise(sw, sh, rand.New(rand.NewPCG(seed, 0)))
		resizeCase(t, src, sw, sh, box, 1+int(w)%100, 1+int(h)%100, filters[int(filter)%len(filters)], flip)
	})
}

// Weights must sum to one exactly, or flat areas would change their level.
func TestResizedFlatImagesStayFlat(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		for _, level := range []byte{0, 1, 127, 254, 255} {
			for _, side := range []int{1, 2, 7, 33, 500} {
				src := bytes.Repeat([]byte{level}, 3*side*side)
				for _, f := range filters {
					dst := make([]byte, 3*20*20)
					box := Rect{W: side, H: side}
					Resize(dst, 20, 20, src, side, box, f, false, misaligned(ResizeScratch(box, 20, 20, f)))
					if bytes.Count(dst, []byte{level}) != len(dst) {
						t.Errorf("filter %d from %d pixels: level %d does not stay", f, side, level)
					}
				}
			}
		}
	})
}

// exactResize is the resize in floating point, by the filters' definitions.
func exactResize(w, h int, src []byte, srcW int, box Rect, f Filter) []float64 {
	keys := func(x, a float64) float64 {
		if x = math.Abs(x); x < 1 {
			return (a+2)*x*x*x - (a+3)*x*x + 1
		} else if x < 2 {
			return a*x*x*x - 5*a*x*x + 8*a*x - 4*a
		}
		return 0
	}
	// pass makes n numbers out of from.
	pass := func(n, from int, put func(i int, v float64), at func(i int) float64) {
		scale := float64(from) / float64(n)
		for i := range n {
			sum, total := 0.0, 0.0
			for k := -5 * from; k < 6*from; k++ {
				stretch, weight := max(scale, 1), 0.0
				x := (float64(k) + 0.5 - (float64(i)+0.5)*scale) / stretch
				switch {
				case f == BicubicTF1:
					place := float64(i) * scale
					whole := math.Floor(place)
					weight = keys(float64(k)-whole-math.RoundToEven((place-whole)*1024)/1024, -0.75)
				case k < 0 || k >= from:
				case f == Bilinear:
					weight = max(0, 1-math.Abs(x))
				default:
					weight = keys(x, -0.5)
				}
				sum += weight * at(min(max(k, 0), from-1))
				total += weight
			}
			v := sum / total
			if f != BicubicTF1 {
				v = min(max(v, 0), 255)
			}
			put(i, v)
		}
	}
	mid, dst := make([]float64, 3*w*box.H), make([]float64, 3*w*h)
	for c := range 3 {
		for y := range box.H {
			pass(w, box.W, func(i int, v float64) { mid[3*(y*w+i)+c] = v },
				func(i int) float64 { return float64(src[3*((box.Y+y)*srcW+box.X+i)+c]) })
		}
		for x := range w {
			pass(h, box.H, func(i int, v float64) { dst[3*(i*w+x)+c] = min(max(v, 0), 255) },
				func(i int) float64 { return mid[3*(i*w+x)+c] })
		}
	}
	return dst
}

// A resize is that of exact arithmetic, but for rounding: once, or twice where levels are rounded between the directions.
func TestResizeIsExactButForRounding(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, c := range []struct {
		box  Rect
		w, h int
	}{{Rect{3, 2, 41, 37}, 27, 20}, {Rect{0, 5, 9, 13}, 20, 31}, {Rect{10, 0, 40, 6}, 11, 9}, {Rect{0, 0, 50, 40}, 3, 2}} {
		src := noise(50, 40, r)
		for f, most := range map[Filter]float64{Bilinear: 1.1, Bicubic: 1.5, BicubicTF1: 0.56} {
			got := make([]byte, 3*c.w*c.h)
			Resize(got, c.w, c.h, src, 50, c.box, f, false, misaligned(ResizeScratch(c.box, c.w, c.h, f)))
			for i, want := range exactResize(c.w, c.h, src, 50, c.box, f) {
				if d := math.Abs(float64(got[i]) - want); d > most {
					t.Fatalf("filter %d, %+v to %d x %d: level %d is %.2f levels from the exact one", f, c.box, c.w, c.h, got[i], d)
				}
			}
		}
	}
}

func TestResizeAllocatesNothing(t *testing.T) {
	src, dst, box := make([]byte, 3*40*30), make([]byte, 3*32*32), Rect{X: 1, Y: 2, W: 37, H: 25}
	atEachLevel(t, func(t *testing.T) {
		for _, f := range filters {
			scratch := make([]byte, ResizeScratch(box, 32, 32, f))
			if n := testing.AllocsPerRun(10, func() { Resize(dst, 32, 32, src, 40, box, f, true, scratch) }); n > 0 {
				t.Errorf("filter %d allocates %g times", f, n)
			}
		}
	})
}

// A mirrored resize is the resize, mirrored: with the opposite weights and not with those of the opposite place.
func TestFlippedResizeIsTheResizeFlipped(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	src, box := noise(50, 40, r), Rect{X: 3, Y: 2, W: 41, H: 37}
	atEachLevel(t, func(t *testing.T) {
		for _, f := range filters {
			want, got := make([]byte, 3*27*20), make([]byte, 3*27*20)
			scratch := make([]byte, ResizeScratch(box, 27, 20, f))
			Resize(want, 27, 20, src, 50, box, f, false, scratch)
			Flip(want, 27)
			if Resize(got, 27, 20, src, 50, box, f, true, scratch); !bytes.Equal(got, want) {
				t.Errorf("filter %d: a mirrored resize differs from the resize, mirrored", f)
			}
		}
	})
}

// BenchmarkResize is a typical crop of a photograph, and one of CIFAR-10.
func BenchmarkResize(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, c := range []struct {
		name                   string
		w, h, boxW, boxH, size int
	}{{"224", 500, 375, 330, 245, 224}, {"32", 32, 32, 25, 22, 32}} {
		src, dst, box := noise(c.w, c.h, r), make([]byte, 3*c.size*c.size), Rect{X: 5, Y: 7, W: c.boxW, H: c.boxH}
		for f, name := range []string{Bilinear: "bilinear", Bicubic: "bicubic", BicubicTF1: "bicubic-tf1"} {
			scratch := make([]byte, ResizeScratch(box, c.size, c.size, Filter(f)))
			benchmarkLevels(b, name+"/"+c.name, func() { Resize(dst, c.size, c.size, src, c.w, box, Filter(f), true, scratch) })
		}
	}
}
