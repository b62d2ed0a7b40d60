package near

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// encoded is an image as a JPEG of a quality.
func encoded(t *testing.T, m image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hashOf hashes an image file.
func hashOf(t *testing.T, b []byte) uint64 {
	t.Helper()
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	s.Bytes = b
	for _, stage := range []pipeline.Stage{stages.Decode{}, stages.Resize{Size: Side}} {
		if err := stage.Apply(s); err != nil {
			t.Fatal(err)
		}
	}
	return Hash(s.Image.Pix)
}

// figures are images of the procedural set.
func figures(t *testing.T, n int) (list []image.Image) {
	t.Helper()
	d, err := datasets.NewSynthetic(datasets.Synthetic{N: n, Size: 192})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	for i := range n {
		if err := d.Read(t.Context(), i, s); err != nil {
			t.Fatal(err)
		}
		m, err := jpeg.Decode(bytes.NewReader(s.Bytes))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

// scenes are drawn: ellipses on a ground that fades, smooth as photos of things are.
func scenes(n int) (list []image.Image) {
	const w, h, ellipses = 200, 150, 5
	r := rand.New(rand.NewPCG(11, 12))
	colour := func() color.RGBA {
		return color.RGBA{uint8(r.IntN(220)), uint8(r.IntN(220)), uint8(r.IntN(220)), 255}
	}
	for range n {
		m := image.NewRGBA(image.Rect(0, 0, w, h))
		ground, fade := colour(), r.Float64()
		for y := range h {
			for x := range w {
				c := ground
				c.G += uint8(fade * 30 * float64(x+y) / (w + h))
				m.SetRGBA(x, y, c)
			}
		}
		for range ellipses {
			x0, y0, a, b, c := r.Float64()*w, r.Float64()*h, (0.1+0.3*r.Float64())*w, (0.1+0.3*r.Float64())*h, colour()
			for y := range h {
				for x := range w {
					if u, v := (float64(x)-x0)/a, (float64(y)-y0)/b; u*u+v*v < 1 {
						m.SetRGBA(x, y, c)
					}
				}
			}
		}
		list = append(list, m)
	}
	return list
}

// halved averages four pixels to one.
func halved(m image.Image) image.Image {
	small := image.NewRGBA64(image.Rect(0, 0, m.Bounds().Dx()/2, m.Bounds().Dy()/2))
	for y := range small.Rect.Dy() {
		for x := range small.Rect.Dx() {
			var sum [3]uint32
			for i := range 4 {
				r, g, b, _ := m.At(2*x+i&1, 2*y+i>>1).RGBA()
				sum[0], sum[1], sum[2] = sum[0]+r, sum[1]+g, sum[2]+b
			}
			small.SetRGBA64(x, y, color.RGBA64{uint16(sum[0] / 4), uint16(sum[1] / 4), uint16(sum[2] / 4), 0xFFFF})
		}
	}
	return small
}

// brighter raises all pixels, up to white.
func brighter(m image.Image, percent int) image.Image {
	bright := image.NewRGBA(m.Bounds())
	for y := range bright.Rect.Dy() {
		for x := range bright.Rect.Dx() {
			r, g, b, _ := m.At(x, y).RGBA()
			more := func(v uint32) uint8 { return uint8(min(int(v>>8)*(100+percent)/100, 255)) }
			bright.SetRGBA(x, y, color.RGBA{more(r), more(g), more(b), 255})
		}
	}
	return bright
}

// TestHash: near duplicates are within the default distance of "ingest near", 4, and images that have nothing to do with each other are not.
func TestHash(t *testing.T) {
	const distance = 4
	for name, images := range map[string][]image.Image{"figures": figures(t, 100), "scenes": scenes(100)} {
		var hashes []uint64
		var far [4]int
		for i, m := range images {
			h := hashOf(t, encoded(t, m, 92))
			for k, copied := range [][]byte{encoded(t, m, 50), encoded(t, halved(m), 92), encoded(t, brighter(m, 5), 92), encoded(t, halved(brighter(m, 5)), 70)} {
				d := bits.OnesCount64(h ^ hashOf(t, copied))
				far[k] = max(far[k], d)
				if d > distance {
					t.Errorf("%s %d: its copy %d is %d bits away", name, i, k, d)
				}
			}
			hashes = append(hashes, h)
		}
		nearest := 64
		for i, a := range hashes {
			for j, b := range hashes[:i] {
				d := bits.OnesCount64(a ^ b)
				nearest = min(nearest, d)
				if d <= distance {
					t.Errorf("%s %d and %d are only %d bits apart", name, i, j, d)
				}
			}
		}
		t.Logf("%s: copies at most %v bits away, others at least %d", name, far, nearest)
	}
}

// TestHashBits: brightness and contrast change nothing, and every bit tells images apart.
func TestHashBits(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	var ones [64]int
	const n = 200
	for range n {
		pix := make([]byte, 3*Side*Side)
		for i := range pix {
			pix[i] = byte(r.IntN(100))
		}
		h := Hash(pix)
		for bit := range ones {
			ones[bit] += int(h >> bit & 1)
		}
		for i, v := range pix {
			pix[i] = 2*v + 50
		}
		if got := Hash(pix); got != h {
			t.Fatalf("brighter and of more contrast: %x, was %x", got, h)
		}
	}
	if slices.Min(ones[:]) < n/4 || slices.Max(ones[:]) > n*3/4 {
		t.Errorf("of %d images the bits are set in %v", n, ones)
	}
}

// TestHashOfWaves: an image that is one wave has the bit of its frequencies, the lowest first, and of others those with a negative bound; in the
// negative of the image the bit is not set. An image of a single colour has none.
func TestHashOfWaves(t *testing.T) {
	for _, v := range []byte{0, 1, 100, 255} {
		if h := Hash(bytes.Repeat([]byte{v}, 3*Side*Side)); h != 0 {
			t.Errorf("an image of one colour, %d: %x", v, h)
		}
	}
	const negative = 0xAAAAAAAAAAAAAAAA
	for bit, f := range map[int]struct{ across, down int }{0: {1, 0}, 1: {0, 1}, 2: {2, 0}, 3: {1, 1}, 4: {0, 2}, 5: {3, 0}, 54: {10, 0}, 63: {1, 9}} {
		for sign, want := range map[float64]uint64{1: negative | 1<<bit, -1: negative &^ (1 << bit)} {
			pix := make([]byte, 0, 3*Side*Side)
			for y := range Side {
				for x := range Side {
					wave := math.Cos(math.Pi*float64(f.across)*(float64(x)+0.5)/Side) * math.Cos(math.Pi*float64(f.down)*(float64(y)+0.5)/Side)
					v := byte(128 + math.Round(sign*100*wave))
					pix = append(pix, v, v, v)
				}
			}
			if h := Hash(pix); h != want {
				t.Errorf("%d waves across and %d down, times %v: %x, want %x", f.across, f.down, sign, h, want)
			}
		}
	}
}
