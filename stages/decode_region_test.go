package stages

import (
	"bytes"
	"image"
	"math/rand/v2"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// randomRegion is a rectangle in an image of w by h pixels.
func randomRegion(r *rand.Rand, w, h int) image.Rectangle {
	x, y := r.IntN(w), r.IntN(h)
	return rect(x, y, 1+r.IntN(w-x), 1+r.IntN(h-y))
}

// checkRegions decodes random regions of b and compares them with the whole.
func checkRegions(t *testing.T, r *rand.Rand, name string, b []byte, regions int) {
	t.Helper()
	whole := decodeFile(t, b)
	s := newSample(pipeline.Image{}, pipeline.Key{})
	s.Bytes = b
	w, h, err := Decode{}.Size(s)
	if err != nil || w != whole.W || h != whole.H {
		t.Fatalf("%s: Size gives %d x %d, %v; the image has %d x %d", name, w, h, err, whole.W, whole.H)
	}
	for range regions {
		want := randomRegion(r, w, h)
		if err := (Decode{}).ApplyRegion(s, want); err != nil {
			t.Fatalf("%s: %v: %v", name, want, err)
		}
		got := s.Image
		at := rect(got.Origin.X, got.Origin.Y, got.W, got.H)
		if len(got.Pix) != 3*got.W*got.H || !want.In(at) {
			t.Fatalf("%s: asked for %v, got %v in %d bytes", name, want, at, len(got.Pix))
		}
		for y := want.Min.Y; y < want.Max.Y; y++ {
			part := got.Pix[3*((y-at.Min.Y)*got.W+want.Min.X-at.Min.X):][:3*want.Dx()]
			if !bytes.Equal(part, whole.Pix[3*(y*w+want.Min.X):][:3*want.Dx()]) {
				t.Fatalf("%s: row %d of %v (decoded: %v) is not that of the whole image", name, y, want, at)
			}
		}
	}
}

func TestRegionsOfEveryFormat(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, c := range decodable(t) {
		checkRegions(t, r, c.File, readFile(t, c.File), 20)
	}
}

func TestRegionRefusesWhatApplyRefuses(t *testing.T) {
	jpeg := readFile(t, "decode/large.jpg")
	for _, b := range [][]byte{nil, []byte("text"), jpeg[:100], resized(t, jpeg, 30000, 30000)} {
		s := newSample(pipeline.Image{}, pipeline.Key{})
		s.Bytes = b
		want := Decode{}.Apply(s)
		_, _, size := Decode{}.Size(s)
		region := Decode{}.ApplyRegion(s, image.Rect(0, 0, 1, 1))
		if want == nil || size == nil || region == nil || size.Error() != want.Error() || region.Error() != want.Error() {
			t.Errorf("%d bytes: Apply gives %v, Size %v, ApplyRegion %v", len(b), want, size, region)
		}
	}
}

// FuzzRegion: a region of whatever decodes as a whole has its pixels.
func FuzzRegion(f *testing.F) {
	for _, name := range []string{"420.jpg", "422.jpg", "grey.jpg", "progressive.jpg", "cmyk.jpg", "orientation6.jpg", "rgb.png"} {
		f.Add(readFile(f, "decode/"+name), uint64(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		s := newSample(pipeline.Image{}, pipeline.Key{})
		s.Bytes = b
		if err := (Decode{MaxPixels: 1 << 16}).Apply(s); err == nil {
			checkRegions(t, rand.New(rand.NewPCG(seed, 0)), "fuzzed", b, 4)
		}
	})
}
