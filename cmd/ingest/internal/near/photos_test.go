package near

import (
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"math/bits"
	"os"
	"path/filepath"
	"testing"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

var photoCount = flag.Int("photos", 60, "photos of the sample that TestPhotos copies, of 500")

// copies are how photos are changed, and the share of them that is at most so many bits away, at least.
var copies = []struct {
	name   string
	within int
	found  float64
	change func(t *testing.T, m *image.RGBA) []byte
}{
	{"encoded again at quality 50", 4, 0.97, func(t *testing.T, m *image.RGBA) []byte { return encoded(t, m, 50) }},
	{"half as wide and high", 4, 0.97, func(t *testing.T, m *image.RGBA) []byte { return encoded(t, halved(m), 92) }},
	{"10 % brighter", 4, 0.97, func(t *testing.T, m *image.RGBA) []byte { return encoded(t, brighter(m, 10), 92) }},
	{"5 % cropped off", 8, 0.8, func(t *testing.T, m *image.RGBA) []byte { return encoded(t, cropped(m), 92) }},
	{"mirrored", 4, 0, func(t *testing.T, m *image.RGBA) []byte { return encoded(t, mirrored(m), 92) }},
}

// distances are those that are told of.
var distances = []int{0, 2, 4, 6, 8, 10, 12}

// photograph decodes an image file.
func photograph(t *testing.T, b []byte) *image.RGBA {
	t.Helper()
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	s.Bytes = b
	if err := (stages.Decode{}).Apply(s); err != nil {
		t.Fatal(err)
	}
	m := image.NewRGBA(image.Rect(0, 0, s.Image.W, s.Image.H))
	for i := range s.Image.W * s.Image.H {
		p := s.Image.Pix[3*i:][:3]
		m.SetRGBA(i%s.Image.W, i/s.Image.W, color.RGBA{p[0], p[1], p[2], 255})
	}
	return m
}

// cropped leaves out a twentieth of the width and of the height, as much at each side.
func cropped(m *image.RGBA) image.Image {
	x, y := m.Rect.Dx()/40, m.Rect.Dy()/40
	return m.SubImage(image.Rect(x, y, m.Rect.Dx()-x, m.Rect.Dy()-y))
}

func mirrored(m *image.RGBA) image.Image {
	other := image.NewRGBA(m.Rect)
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			other.SetRGBA(m.Rect.Dx()-1-x, y, m.RGBAAt(x, y))
		}
	}
	return other
}

// hashPhotos hashes the photos of a data set and their copies; those of photo i are at place i.
func hashPhotos(ctx context.Context, t *testing.T, d datasets.Dataset) (originals []uint64, changed [][]uint64) {
	n := min(*photoCount, d.Len())
	originals, changed = make([]uint64, n), make([][]uint64, n)
	err := datasets.Visit(ctx, d, 4, func(i int, s *pipeline.Sample, err error) {
		if i >= n {
			return
		}
		if err != nil {
			t.Errorf("photo %d: %v", i, err)
			return
		}
		m := photograph(t, s.Bytes)
		originals[i] = hashOf(t, s.Bytes)
		for _, c := range copies {
			changed[i] = append(changed[i], hashOf(t, c.change(t, m)))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return originals, changed
}

// TestPhotos makes near duplicates of real photos: those that were encoded again, resized or made brighter are found at the default distance of
// "ingest near", most that were cropped at 8, and no two photos are taken for the same. With -photos 500 the log is the table of benchmarks/results/near.md.
func TestPhotos(t *testing.T) {
	dir := os.Getenv("GOCLR_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	file := filepath.Join(dir, "imagenet-sample.tar")
	if _, err := os.Stat(file); err != nil {
		t.Skipf("%v: name the folder with it in GOCLR_DATA", err)
	}
	d, err := datasets.Open(t.Context(), file, datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	originals, changed := hashPhotos(t.Context(), t, d)
	head := fmt.Sprintf("%-28s", fmt.Sprintf("of %d photos, within bits", len(originals)))
	for _, distance := range distances {
		head += fmt.Sprintf("%8d", distance)
	}
	t.Log(head)
	for k, c := range copies {
		line := fmt.Sprintf("%-28s", c.name)
		for _, distance := range distances {
			n := 0
			for i, h := range originals {
				if bits.OnesCount64(h^changed[i][k]) <= distance {
					n++
				}
			}
			line += fmt.Sprintf("%8d", n)
			if distance == c.within && float64(n) < c.found*float64(len(originals)) {
				t.Errorf("%s: %d of %d photos are within %d bits", c.name, n, len(originals), distance)
			}
		}
		t.Log(line)
	}
	line, pairs := fmt.Sprintf("%-28s", "pairs of different photos"), len(originals)*(len(originals)-1)/2
	for _, distance := range distances {
		n := 0
		for i, a := range originals {
			for _, b := range originals[:i] {
				if bits.OnesCount64(a^b) <= distance {
					n++
				}
			}
		}
		line += fmt.Sprintf("%8d", n)
		if distance <= 8 && n > 0 {
			t.Errorf("of %d pairs of photos %d are within %d bits", pairs, n, distance)
		}
	}
	t.Log(line + fmt.Sprintf(" of %d", pairs))
}
