//go:build cgo

package turbo

import (
	"bytes"
	"fmt"
	"image"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goclr/goclr/stages/internal/turbo/turbotest"
)

var samplings = map[string][3][2]int{
	"4:4:4":             {{1, 1}, {1, 1}, {1, 1}},
	"4:2:2":             {{2, 1}, {1, 1}, {1, 1}},
	"4:2:0":             {{2, 2}, {1, 1}, {1, 1}},
	"4:4:0":             {{1, 2}, {1, 1}, {1, 1}},
	"4:1:1":             {{4, 1}, {1, 1}, {1, 1}},
	"4:1:0":             {{4, 2}, {1, 1}, {1, 1}},
	"4:4:4 in 1x2":      {{1, 2}, {1, 2}, {1, 2}},
	"4:2:2 in 2x2":      {{2, 2}, {1, 2}, {1, 2}},
	"4:4:0 in 2x2":      {{2, 2}, {2, 1}, {2, 1}},
	"4:4:1":             {{1, 4}, {1, 1}, {1, 1}},
	"3:1":               {{3, 1}, {1, 1}, {1, 1}},
	"uneven chroma":     {{2, 2}, {2, 1}, {1, 2}},
	"coarse luma":       {{1, 1}, {2, 2}, {2, 2}},
	"uneven and coarse": {{2, 1}, {1, 2}, {1, 1}},
}

var kinds = map[string]turbotest.Options{
	"baseline":                  {},
	"restart markers, units":    {RestartInterval: 3},
	"restart markers, rows":     {RestartRows: 1},
	"progressive":               {Progressive: true},
	"progressive with restarts": {Progressive: true, RestartInterval: 5},
	"a scan for each component": {SequentialScans: true},
}

var sizes = []image.Point{{1, 1}, {1, 40}, {40, 1}, {2, 2}, {3, 5}, {7, 9}, {8, 8}, {16, 16}, {17, 33}, {33, 17}, {32, 32}, {47, 64}, {65, 50}, {131, 97}}

// inOrder ranges over a map in the order of its keys, so that what is drawn on the way is the same in each run.
func inOrder[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

// noise is a picture whose neighbouring pixels differ, so that a pixel from the wrong place is seen, on a slope.
func noise(r *rand.Rand, n image.Point, components int) []byte {
	pix := make([]byte, n.X*n.Y*components)
	for i := range pix {
		pix[i] = byte(96 + i/components%n.X + r.IntN(64))
	}
	return pix
}

// box is a rectangle in an image of n pixels: one in three touches a border.
func box(r *rand.Rand, n image.Point) image.Rectangle {
	side := func(n int) (from, to int) {
		from = r.IntN(n)
		to = from + 1 + r.IntN(n-from)
		switch r.IntN(6) {
		case 0:
			from = 0
		case 1:
			to = n
		}
		return from, to
	}
	x0, x1 := side(n.X)
	y0, y1 := side(n.Y)
	return image.Rect(x0, y0, x1, y1)
}

// room is the number of bytes that Decode needs.
func room(r image.Rectangle) int {
	w, h := Room(r)
	return 3 * w * h
}

// decode is Decode into a buffer with a fence behind it.
func decode(t testing.TB, b []byte, r image.Rectangle) (image.Rectangle, []byte) {
	t.Helper()
	const fence = 0xa5
	n := room(r)
	dst := bytes.Repeat([]byte{fence}, n+64)
	got, err := Decode(dst[:n], b, r)
	if err != nil {
		t.Fatalf("%v: %v", r, err)
	}
	if !r.In(got) {
		t.Fatalf("asked for %v, got %v", r, got)
	}
	if behind := dst[3*got.Dx()*got.Dy():]; bytes.Count(behind, []byte{fence}) != len(behind) {
		t.Fatalf("%v: bytes written behind the image", r)
	}
	return got, dst
}

// sameWithin reports whether the pixels of r are the same in the image whole of width w and in pix, which is the part at of it.
func sameWithin(r, at image.Rectangle, pix, whole []byte, w int) bool {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		got := pix[3*((y-at.Min.Y)*at.Dx()+r.Min.X-at.Min.X):][:3*r.Dx()]
		want := whole[3*(y*w+r.Min.X):][:3*r.Dx()]
		if !bytes.Equal(got, want) {
			return false
		}
	}
	return true
}

func checkRegions(t *testing.T, r *rand.Rand, b []byte, n image.Point, regions int) {
	t.Helper()
	all := image.Rectangle{Max: n}
	at, whole := decode(t, b, all)
	if at != all {
		t.Fatalf("asked for %v, got %v", all, at)
	}
	if plain := make([]byte, 3*n.X*n.Y); turbotest.Decode(plain, b) != len(plain) || !bytes.Equal(whole[:len(plain)], plain) {
		t.Fatal("other pixels than by libjpeg called plainly")
	}
	for range regions {
		want := box(r, n)
		at, pix := decode(t, b, want)
		if !sameWithin(want, at, pix, whole, n.X) {
			t.Errorf("the pixels of %v (decoded: %v) are not those of the whole image", want, at)
		}
	}
}

func TestRegionHasThePixelsOfTheWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for kind, o := range inOrder(kinds) {
		for sampling, s := range inOrder(samplings) {
			t.Run(kind+"/"+sampling, func(t *testing.T) {
				for _, n := range sizes {
					o.Components, o.Sampling, o.Quality = 3, s, 90
					checkRegions(t, r, turbotest.Encode(noise(r, n, 3), n.X, n.Y, o), n, 30)
				}
			})
		}
		for _, s := range [][2]int{{1, 1}, {2, 2}, {2, 1}, {1, 2}, {4, 1}} {
			t.Run(fmt.Sprintf("%s/grey in %dx%d", kind, s[0], s[1]), func(t *testing.T) {
				for _, n := range sizes {
					o.Components, o.Sampling, o.Quality = 1, [3][2]int{s}, 90
					checkRegions(t, r, turbotest.Encode(noise(r, n, 1), n.X, n.Y, o), n, 30)
				}
			})
		}
	}
}

// Rows are skipped by units, and the row above is needed for the interpolation of chroma: every edge must be right.
func TestEveryEdgeOfARegion(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	n := image.Pt(83, 75)
	for sampling, s := range inOrder(samplings) {
		b := turbotest.Encode(noise(r, n, 3), n.X, n.Y, turbotest.Options{Components: 3, Sampling: s, Quality: 95})
		_, whole := decode(t, b, image.Rectangle{Max: n})
		for i := range n.X {
			for _, want := range []image.Rectangle{
				image.Rect(i, 30, n.X, 31), image.Rect(0, 40, i+1, 41), image.Rect(i, 20, i+1, 22),
				image.Rect(40, min(i, n.Y-1), 43, n.Y), image.Rect(40, 0, 43, min(i, n.Y-1)+1), image.Rect(9, min(i, n.Y-1), 12, min(i, n.Y-1)+1),
			} {
				at, pix := decode(t, b, want)
				if !sameWithin(want, at, pix, whole, n.X) {
					t.Errorf("%s: the pixels of %v (decoded: %v) are not those of the whole image", sampling, want, at)
				}
			}
		}
	}
}

func TestRegionIsSmallerThanTheWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	n := image.Pt(300, 200)
	b := turbotest.Encode(noise(r, n, 3), n.X, n.Y, turbotest.Options{Components: 3, Sampling: samplings["4:2:0"], Quality: 90})
	at, _ := decode(t, b, image.Rect(100, 100, 140, 120))
	if want := image.Rect(96, 100, 144, 120); at != want {
		t.Errorf("decoded %v, want %v", at, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	n := image.Pt(64, 48)
	all := image.Rectangle{Max: n}
	plain := turbotest.Options{Components: 3, Sampling: samplings["4:2:0"], Quality: 90}
	colour := turbotest.Encode(noise(r, n, 3), n.X, n.Y, plain)
	plain.Arithmetic = true
	arithmetic := turbotest.Encode(noise(r, n, 3), n.X, n.Y, plain)
	plain.Arithmetic, plain.Progressive, plain.Unrefined = false, true, 4
	unrefined := turbotest.Encode(noise(r, n, 3), n.X, n.Y, plain)
	decode(t, unrefined, all)
	cmyk := turbotest.Encode(noise(r, n, 4), n.X, n.Y, turbotest.Options{Components: 4, Sampling: samplings["4:4:4"], Quality: 90})
	damaged := bytes.Clone(colour)
	copy(damaged[len(damaged)*3/4:], "\xff\xd0\xff\xd3\xff\xd1")
	for _, c := range []struct {
		name string
		b    []byte
		r    image.Rectangle
		room int
		says string
	}{
		{"nothing", nil, all, room(all), "mpty"},
		{"text", []byte("no image at all"), all, room(all), "Not a JPEG file"},
		{"the half of a file", colour[:len(colour)/2], all, room(all), "remature end"},
		{"damage", damaged, all, room(all), "orrupt JPEG data"},
		{"arithmetic coding", arithmetic, all, room(all), "Huffman"},
		{"CMYK", cmyk, all, room(all), "three components"},
		{"a part of a progressive file that lacks scans", unrefined, image.Rect(0, 0, 64, 47), room(all), "only the whole image"},
		{"a region outside", colour, image.Rect(0, 0, 65, 48), room(all), "does not lie in the image"},
		{"a region above", colour, image.Rect(0, -1, 1, 1), room(all), "does not lie in the image"},
		{"an empty region", colour, image.Rect(3, 3, 3, 5), room(all), "does not lie in the image"},
		{"no room", colour, all, 3*64*48 - 1, "no room"},
	} {
		dst := make([]byte, c.room)
		if _, err := Decode(dst, c.b, c.r); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want an error that says %q", c.name, err, c.says)
		}
		// What failed leaves nothing behind in the decompressor, which is the next call's.
		checkRegions(t, r, colour, n, 1)
	}
}

// Files of one sequential scan are what huffman.c is for, and the tests of their pixels are tests of it.
func TestHuffmanDecoderTakesPart(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	n := image.Pt(50, 40)
	all := image.Rectangle{Max: n}
	for name, c := range inOrder(map[string]struct {
		options turbotest.Options
		want    bool
	}{
		"4:2:0":                 {turbotest.Options{Components: 3, Sampling: samplings["4:2:0"], Quality: 90}, true},
		"grey":                  {turbotest.Options{Components: 1, Sampling: samplings["4:4:4"], Quality: 90}, true},
		"with restarts":         {turbotest.Options{Components: 3, Sampling: samplings["4:4:4"], Quality: 50, RestartInterval: 3}, true},
		"progressive":           {turbotest.Options{Components: 3, Sampling: samplings["4:2:0"], Quality: 90, Progressive: true}, false},
		"a scan for each plane": {turbotest.Options{Components: 3, Sampling: samplings["4:2:0"], Quality: 90, SequentialScans: true}, false},
	}) {
		b := turbotest.Encode(noise(r, n, c.options.Components), n.X, n.Y, c.options)
		if _, fast, err := read(make([]byte, room(all)), b, all, true); err != nil || fast != c.want {
			t.Errorf("%s: huffman.c took part: %v, %v; want %v", name, fast, err, c.want)
		}
	}
}

// A region above the damage decodes, which is why an ingest checks whole images.
func TestDamageBehindARegionIsNotSeen(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	n := image.Pt(64, 200)
	b := turbotest.Encode(noise(r, n, 3), n.X, n.Y, turbotest.Options{Components: 3, Sampling: samplings["4:2:0"], Quality: 90})
	_, whole := decode(t, b, image.Rectangle{Max: n})
	want := image.Rect(0, 0, 64, 60)
	at, pix := decode(t, b[:len(b)/2], want)
	if !sameWithin(want, at, pix, whole, n.X) {
		t.Error("other pixels above the damage")
	}
}

func TestManyScansAreRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	n := image.Pt(64, 64)
	all := image.Rectangle{Max: n}
	b := turbotest.Encode(noise(r, n, 3), n.X, n.Y, turbotest.Options{Components: 3, Sampling: samplings["4:4:4"], Quality: 90, SequentialScans: true})
	end := b[len(b)-2:]
	scan := b[bytes.LastIndex(b, []byte{0xff, 0xda}) : len(b)-2]
	for _, c := range []struct {
		scans int
		pass  bool
	}{{3, true}, {100, true}, {101, false}} {
		file := slices.Concat(b[:len(b)-2], bytes.Repeat(scan, c.scans-3), end)
		_, err := Decode(make([]byte, room(all)), file, all)
		if c.pass != (err == nil) || !c.pass && !strings.Contains(err.Error(), "100 scans") {
			t.Errorf("%d scans: %v", c.scans, err)
		}
	}
}

func TestConcurrentCalls(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	n := image.Pt(130, 110)
	b := turbotest.Encode(noise(r, n, 3), n.X, n.Y, turbotest.Options{Components: 3, Sampling: samplings["4:2:0"], Quality: 90})
	_, whole := decode(t, b, image.Rectangle{Max: n})
	before := len(idle.decoders)
	const callers = 4
	var group sync.WaitGroup
	for i := range callers {
		group.Add(1)
		go func() {
			defer group.Done()
			r := rand.New(rand.NewPCG(8, uint64(i)))
			for range 100 {
				want := box(r, n)
				dst := make([]byte, room(want))
				at, err := Decode(dst, b, want)
				if err != nil || !sameWithin(want, at, dst, whole, n.X) {
					t.Errorf("%v: other pixels than alone, or %v", want, err)
				}
				if _, err := Decode(dst, b[:n.X], want); err == nil {
					t.Error("the head of a file passes")
				}
			}
		}()
	}
	group.Wait()
	if got := len(idle.decoders); got > before+callers {
		t.Errorf("%d decompressors for %d callers", got, callers)
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	n := image.Pt(130, 110)
	b := turbotest.Encode(noise(r, n, 3), n.X, n.Y, turbotest.Options{Components: 3, Sampling: samplings["4:2:0"], Quality: 90})
	want := image.Rect(20, 20, 60, 60)
	dst := make([]byte, room(want))
	if n := testing.AllocsPerRun(100, func() {
		if _, err := Decode(dst, b, want); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations an image", n)
	}
}

// FuzzDecode: whatever the file, nothing outside of dst is written, and what decodes as a whole decodes in parts alike.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(10, 10))
	n := image.Pt(37, 43)
	for _, o := range inOrder(kinds) {
		o.Components, o.Quality = 3, 60
		for _, s := range inOrder(samplings) {
			o.Sampling = s
			f.Add(turbotest.Encode(noise(r, n, 3), n.X, n.Y, o), uint16(5), uint16(18), uint16(20), uint16(10))
		}
		o.Components = 1
		f.Add(turbotest.Encode(noise(r, n, 1), n.X, n.Y, o), uint16(5), uint16(18), uint16(20), uint16(10))
	}
	f.Fuzz(func(t *testing.T, b []byte, x, y, w, h uint16) {
		want := image.Rect(int(x), int(y), int(x)+int(w), int(y)+int(h))
		if want.Dx()*want.Dy() > 1<<20 {
			return
		}
		n := room(want)
		dst := bytes.Repeat([]byte{0xa5}, n+64)
		at, err := Decode(dst[:n], b, want)
		if bytes.Count(dst[n:], []byte{0xa5}) != 64 {
			t.Fatal("bytes written behind the buffer")
		}
		if err != nil {
			return
		}
		if !want.In(at) {
			t.Fatalf("asked for %v, got %v", want, at)
		}
		// What huffman.c takes for whole, the library does too, and reads the same.
		again := make([]byte, n)
		if at2, _, err := read(again, b, want, false); err != nil || at2 != at || !bytes.Equal(again[:3*at.Dx()*at.Dy()], dst[:3*at.Dx()*at.Dy()]) {
			t.Fatalf("%v, %v: other pixels without huffman.c, or %v", at, at2, err)
		}
	})
}

func TestVersion(t *testing.T) {
	if v := Version(); !strings.HasPrefix(v, "libjpeg-turbo ") || strings.Count(v, ".") != 2 || strings.HasPrefix(v, "libjpeg-turbo 0") {
		t.Errorf("version %q, want for example \"libjpeg-turbo 2.1.5\"", v)
	}
}
