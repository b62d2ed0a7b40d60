package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

const (
	testSize  = 32
	testSeed  = 7
	testEpoch = 2
)

// trained returns the two views of each image as a training pipeline, with batches of its own, yields them in testEpoch.
func trained(t *testing.T, data pipeline.Source) map[uint64][2][]byte {
	t.Helper()
	bad := 0
	p, err := pipeline.New(data, pipeline.Options{
		Batch: 4, Epochs: testEpoch + 1, Seed: testSeed, Workers: 3, MaxBad: 1, OnBad: func(*pipeline.SampleError) { bad++ },
	}, stages.Decode{}, pipeline.Pair(stages.SimCLR(testSize, 1)...))
	if err != nil {
		t.Fatal(err)
	}
	views := map[uint64][2][]byte{}
	for rec, err := range p.Batches(t.Context(), testEpoch*p.Steps()) {
		if err != nil {
			t.Fatal(err)
		}
		ids, err := pipeline.IDs(rec)
		if err != nil {
			t.Fatal(err)
		}
		pix, shape, err := pipeline.Views(rec)
		if err != nil {
			t.Fatal(err)
		}
		n := shape[1] * shape[2] * shape[3]
		for i, id := range ids {
			views[id] = [2][]byte{bytes.Clone(pix[2*i*n:][:n]), bytes.Clone(pix[(2*i+1)*n:][:n])}
		}
	}
	if bad == 0 {
		t.Error("training met no bad image: the test shows less than it should")
	}
	return views
}

// flags select the views of trained.
func flags(dir string, more ...string) []string {
	return append([]string{"-data", dir, "-image-size", fmt.Sprint(testSize), "-strength", "1", "-seed", fmt.Sprint(testSeed),
		"-epoch", fmt.Sprint(testEpoch)}, more...)
}

func open(t *testing.T, dir string) datasets.Dataset {
	t.Helper()
	data, err := datasets.Open(context.Background(), dir, datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { data.Close() })
	return data
}

// TestPageShowsWhatTrainingGets compares the pixels in a page with those of the batches, byte for byte.
func TestPageShowsWhatTrainingGets(t *testing.T) {
	dir := photos(t)
	want := trained(t, open(t, dir))
	if len(want) < 6 {
		t.Fatalf("training had %d images", len(want))
	}
	out := filepath.Join(t.TempDir(), "v.html")
	compare := func(p *parsedPage) (compared int) {
		for _, c := range p.cards {
			views, ok := want[c.id]
			if !ok {
				continue // in the part of the epoch that fills no batch
			}
			compared++
			for v, w := range views {
				if !bytes.Equal(rgbOf(c.images[1+v]), w) {
					t.Errorf("image %d, view %d: not what training gets", c.id, v+1)
				}
			}
		}
		return compared
	}

	said := succeed(t, flags(dir, "-n", "100", "-out", out)...)
	if strings.Count(said, "bad image left out: sample 3 ") != 1 || !strings.Contains(said, "9 images in "+out) {
		t.Errorf("said %s", said)
	}
	p := parsePage(t, out)
	if n := compare(p); n != len(want) {
		t.Errorf("the page has %d of the %d images of training", n, len(want))
	}
	seen := map[uint64]bool{}
	for _, c := range p.cards {
		if seen[c.id] || c.id == badImage {
			t.Errorf("image %d is on the page again, or bad", c.id)
		}
		seen[c.id] = true
	}
	for id := range want { // one alone, without the batch around it
		succeed(t, flags(dir, "-id", fmt.Sprint(id), "-out", out)...)
		if p := parsePage(t, out); len(p.cards) != 1 || p.cards[0].id != id || compare(p) != 1 {
			t.Errorf("-id %d shows %d images", id, len(p.cards))
		}
	}
	if p := parsePage(t, out); !strings.Contains(p.title, "epoch 2") {
		t.Errorf("title %q", p.title)
	}
}

// TestPictureShowsWhatTrainingGets finds each pixel of each view in the picture, as a square of whole pixels.
func TestPictureShowsWhatTrainingGets(t *testing.T) {
	dir := photos(t)
	want := trained(t, open(t, dir))
	out := filepath.Join(t.TempDir(), "v.png")
	succeed(t, flags(dir, "-n", "7", "-out", out)...)
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	s := newSettings()
	if err := s.parse(flags(dir, "-n", "7", "-out", out)); err != nil {
		t.Fatal(err)
	}
	sh, err := look(t.Context(), s, open(t, dir), func(*pipeline.SampleError) {})
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLayout(sh)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if m.Bounds() != (image.Rectangle{Max: l.size}) {
		t.Errorf("the picture is %v, want %v", m.Bounds(), l.size)
	}
	if zoom := 6; l.zoom != zoom {
		t.Fatalf("a pixel is a square of %d, want %d", l.zoom, zoom)
	}
	compared := 0
	for i, c := range sh.Cards {
		views, ok := want[c.ID]
		if !ok {
			continue
		}
		for v, w := range views {
			at := l.square(i, 1+v).Min
			if !at.In(m.Bounds()) {
				t.Fatalf("view %d of card %d is outside", v+1, i)
			}
			for y := range l.side {
				for x := range l.side {
					r, g, b, _ := m.At(at.X+x, at.Y+y).RGBA()
					p := w[3*(y/l.zoom*testSize+x/l.zoom):]
					if byte(r>>8) != p[0] || byte(g>>8) != p[1] || byte(b>>8) != p[2] {
						t.Fatalf("image %d, view %d: pixel (%d, %d) of the picture is not that of training", c.ID, v+1, x, y)
					}
				}
			}
			compared++
		}
	}
	if compared < 8 {
		t.Errorf("%d views compared", compared)
	}
}

// TestLargeViewsAreNotScaled draws views of 224 pixels as they are.
func TestLargeViewsAreNotScaled(t *testing.T) {
	for size, zoom := range map[int]int{8: 24, 96: 2, 191: 2, 192: 1, 224: 1, 512: 1} {
		l, err := newLayout(&sheet{Size: size, Cards: make([]card, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if l.zoom != zoom || l.side != size*zoom {
			t.Errorf("views of %d pixels are drawn as %d, %d to a pixel", size, l.side, l.zoom)
		}
	}
}

// TestOutline draws the part of a view at its place in an original that is drawn at half its size.
func TestOutline(t *testing.T) {
	original := image.NewRGBA(image.Rect(0, 0, 384, 192))
	l, err := newLayout(&sheet{Size: 192, Cards: []card{{W: 384, H: 192, Original: original, Views: []view{
		{Number: 1, Crop: image.Rect(100, 40, 300, 120), Pixels: image.NewRGBA(image.Rect(0, 0, 192, 192))},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	m, at := l.draw(), l.square(0, 0).Min.Add(image.Pt(0, 48)) // the original is in the middle of its square
	for p, want := range map[image.Point]bool{
		{50, 20}: true, {149, 59}: true, {50, 59}: true, {100, 20}: true, {46, 20}: false, {50, 16}: false, {100, 40}: false, {154, 59}: false,
	} {
		if got := m.At(at.X+p.X, at.Y+p.Y) == viewInks[0]; got != want {
			t.Errorf("outline at %v: %v, want %v", p, got, want)
		}
	}
}
