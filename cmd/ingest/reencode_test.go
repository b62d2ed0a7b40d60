package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// sceneAt is the colour of one scene at u, v in 0 to 1 from its upper left corner: what an image of any size must show.
func sceneAt(u, v float64) color.NRGBA {
	return color.NRGBA{R: uint8(255 * u), G: uint8(255 * v), B: uint8(255 * (1 - u) * v), A: 255}
}

func drawScene(w, h int, alpha uint8) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := sceneAt((float64(x)+0.5)/float64(w), (float64(y)+0.5)/float64(h))
			c.A = alpha
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func encodeJPEG(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodePNG(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// lyingOnItsSide is the scene as a camera turned to the left stores it: w by h once its EXIF orientation, 6, is applied.
func lyingOnItsSide(t *testing.T, w, h int) []byte {
	t.Helper()
	upright := drawScene(w, h, 255)
	m := image.NewNRGBA(image.Rect(0, 0, h, w))
	for y := range h {
		for x := range w {
			m.Set(y, w-1-x, upright.At(x, y))
		}
	}
	b := encodeJPEG(t, m)
	exif := "\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08" + // a segment with a TIFF directory
		"\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00" // of one entry: orientation, 6
	return slices.Insert(b, 2, []byte(exif)...)
}

// ofEveryKind is a folder with a large, a small and an odd image of each kind, and the size that -max-side 100 stores it
// in; 0 x 0: as it is.
func ofEveryKind(t *testing.T) (dir string, sizes map[string]image.Point, files map[string][]byte) {
	t.Helper()
	sizes = map[string]image.Point{
		"a/landscape.jpg":   {100, 67},
		"a/portrait.jpg":    {50, 100},
		"a/exactly.jpg":     {},
		"a/one-more.jpg":    {100, 99},
		"a/small.jpg":       {},
		"a/large.png":       {100, 75},
		"a/transparent.png": {75, 100},
		"a/small.png":       {},
		"a/turned.jpg":      {100, 50},
		"a/turned-same.jpg": {},
	}
	files = map[string][]byte{
		"a/landscape.jpg":   encodeJPEG(t, drawScene(300, 200, 255)),
		"a/portrait.jpg":    encodeJPEG(t, drawScene(200, 400, 255)),
		"a/exactly.jpg":     encodeJPEG(t, drawScene(100, 80, 255)),
		"a/one-more.jpg":    encodeJPEG(t, drawScene(101, 100, 255)),
		"a/small.jpg":       encodeJPEG(t, drawScene(20, 10, 255)),
		"a/large.png":       encodePNG(t, drawScene(400, 300, 255)),
		"a/transparent.png": encodePNG(t, drawScene(300, 400, 128)),
		"a/small.png":       encodePNG(t, drawScene(100, 100, 255)),
		"a/turned.jpg":      lyingOnItsSide(t, 400, 200),
		"a/turned-same.jpg": lyingOnItsSide(t, 100, 50),
	}
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, sizes, files
}

// ingested runs the command and opens what it wrote.
func ingested(t *testing.T, args ...string) (dir string, d datasets.Dataset) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "shards")
	if err := run(t.Context(), append(args, "-out", dir)); err != nil {
		t.Fatal(err)
	}
	d, err := datasets.Open(t.Context(), dir, datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return dir, d
}

// TestMaxSide stores images of every kind: the large ones smaller, upright and showing the same scene, the others as they
// are to the last byte.
func TestMaxSide(t *testing.T) {
	src, sizes, files := ofEveryKind(t)
	_, d := ingested(t, "-in", src, "-max-side", "100")
	if d.Len() != len(files) {
		t.Fatalf("%d images, want %d", d.Len(), len(files))
	}
	for i := range d.Len() {
		s := pipeline.NewSample(t.Context(), pipeline.Key{})
		if err := d.Read(t.Context(), i, s); err != nil {
			t.Fatal(err)
		}
		want := sizes[s.Key]
		if same := bytes.Equal(s.Bytes, files[s.Key]); same != (want == image.Point{}) {
			t.Errorf("%s: stored as it was: %v", s.Key, same)
		}
		if want == (image.Point{}) {
			continue
		}
		if !bytes.HasPrefix(s.Bytes, []byte("\xff\xd8\xff")) {
			t.Errorf("%s is no JPEG", s.Key)
		}
		if err := (stages.Decode{}).Apply(s); err != nil {
			t.Fatal(err)
		}
		if got := image.Pt(s.Image.W, s.Image.H); got != want {
			t.Errorf("%s: %v, want %v", s.Key, got, want)
			continue
		}
		alpha := 1.0
		if s.Key == "a/transparent.png" {
			alpha = 128. / 255
		}
		if off := fromScene(s.Image, alpha); off > 2.5 {
			t.Errorf("%s is %.2f levels from the scene on average", s.Key, off)
		}
	}
}

// fromScene is the mean distance of the pixels from the scene laid on white.
func fromScene(m pipeline.Image, alpha float64) float64 {
	sum := 0.0
	for y := range m.H {
		for x := range m.W {
			c := sceneAt((float64(x)+0.5)/float64(m.W), (float64(y)+0.5)/float64(m.H))
			for k, v := range []uint8{c.R, c.G, c.B} {
				want := alpha*float64(v) + (1-alpha)*255
				sum += max(want-float64(m.Pix[3*(y*m.W+x)+k]), float64(m.Pix[3*(y*m.W+x)+k])-want)
			}
		}
	}
	return sum / float64(3*m.W*m.H)
}

// TestMaxSideRecord: what was chosen and done is in the manifest, printed, and part of the fingerprint; the same again gives the
// same bytes.
func TestMaxSideRecord(t *testing.T) {
	src, _, _ := ofEveryKind(t)
	_, plain := ingested(t, "-in", src)
	_, coarse := ingested(t, "-in", src, "-max-side", "100", "-quality", "50")
	one, d := ingested(t, "-in", src, "-max-side", "100", "-workers", "1")
	many, _ := ingested(t, "-in", src, "-max-side", "100", "-quality", "90", "-workers", "5")
	if plain.Fingerprint() == d.Fingerprint() || coarse.Fingerprint() == d.Fingerprint() {
		t.Error("the fingerprint does not depend on -max-side and -quality")
	}
	manifest, err := os.ReadFile(filepath.Join(one, "manifest.json")) // which has the checksums of all other files
	if err != nil {
		t.Fatal(err)
	}
	if other, err := os.ReadFile(filepath.Join(many, "manifest.json")); err != nil || !bytes.Equal(manifest, other) {
		t.Errorf("repeated with the default quality given and more workers, it writes other bytes, or %v", err)
	}
	var m struct {
		Bytes      int64
		Reencoding struct {
			MaxSide     int `json:"max_side"`
			Quality     int
			Encoder     string
			Images      int
			BytesBefore int64 `json:"bytes_before"`
			BytesAfter  int64 `json:"bytes_after"`
		}
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	r := m.Reencoding
	if r.MaxSide != 100 || r.Quality != 90 || !strings.HasPrefix(r.Encoder, "libvips 8.") || r.Images != 6 ||
		r.BytesAfter <= 0 || r.BytesAfter >= r.BytesBefore || r.BytesAfter >= m.Bytes {
		t.Errorf("the manifest has %+v of %d bytes", r, m.Bytes)
	}
	code, said := command(t, "-in", src, "-out", filepath.Join(t.TempDir(), "shards"), "-max-side", "100")
	want := fmt.Sprintf("6 re-encoded to 100 pixels, JPEG quality 90: %s -> %s\n", size(r.BytesBefore), size(r.BytesAfter))
	if code != cli.ExitOK || !strings.Contains(said, want) {
		t.Errorf("exit code %d, %s, want %q", code, said, want)
	}
	if code, said := command(t, "verify", one); code != cli.ExitOK || !strings.Contains(said, "10 images") {
		t.Errorf("exit code %d, %s", code, said)
	}
	if code, said := command(t, "-in", src, "-out", one, "-max-side", "64"); code != cli.ExitFailure ||
		!strings.Contains(said, "with 10 images, 6 re-encoded by -max-side 100 -quality 90") {
		t.Errorf("exit code %d, %s", code, said)
	}
}

// TestMaxSideBad: large images that are damaged are set aside, as without -max-side.
func TestMaxSideBad(t *testing.T) {
	src, _, files := ofEveryKind(t)
	large := files["a/landscape.jpg"]
	if err := os.WriteFile(filepath.Join(src, "a/cut.jpg"), large[:len(large)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	out, d := ingested(t, "-in", src, "-max-side", "100", "-max-bad", "0.1")
	if d.Len() != len(files) {
		t.Errorf("%d images, want %d", d.Len(), len(files))
	}
	for bad, err := range datasets.ReadQuarantine(out) {
		if err != nil || bad.Key != "a/cut.jpg" || !bytes.Equal(bad.Bytes, large[:len(large)/2]) {
			t.Errorf("the quarantine holds %s, or %v", bad.Key, err)
		}
	}
}

// TestMaxSideTrains reads batches of views from re-encoded shards.
func TestMaxSideTrains(t *testing.T) {
	src, _, _ := ofEveryKind(t)
	_, d := ingested(t, "-in", src, "-max-side", "100")
	p, err := pipeline.New(d, pipeline.Options{Batch: 5, Epochs: 1, Seed: 1}, stages.Decode{},
		pipeline.Pair(stages.RandomResizedCrop{Size: 32}, stages.Flip{P: 0.5}))
	if err != nil {
		t.Fatal(err)
	}
	batches := 0
	for batch, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if batch.NumRows() != 5 {
			t.Errorf("%d rows", batch.NumRows())
		}
		batches++
	}
	if batches != 2 {
		t.Errorf("%d batches, want 2", batches)
	}
}

func TestMaxSideUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		says string
	}{
		{"-max-side 31", "from 32 to 65500"},
		{"-max-side 0", "leave it out"},
		{"-max-side 65501", "from 32 to 65500"},
		{"-quality 80", "give -max-side too"},
		{"-max-side 100 -quality 0", "-quality 0"},
		{"-max-side 100 -quality 101", "-quality 101"},
		{"-maxside 100", "did you mean -max-side?"},
	} {
		err := run(t.Context(), append(strings.Fields(c.args), "-in", "synthetic", "-out", filepath.Join(t.TempDir(), "x")))
		var usage *cli.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: error %v, want %q", c.args, err, c.says)
		}
	}
}
