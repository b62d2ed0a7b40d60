package stages

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// golden is testdata/golden.json, written by testdata/golden.py.
type golden struct {
	Stages  []goldenStage
	Samples []goldenSamples
	Decode  []goldenDecode
}

// goldenStage is what torchvision made of an image with known parameters.
type goldenStage struct {
	Kind, Image, Want string

	Box    [4]int // x, y, w, h
	Size   int
	Filter string

	Factor  float64
	Order   [4]int
	Factors [4]float64

	Kernel int
	Sigma  float64
}

// goldenDecode is what Pillow read in a file, and how far decoders may differ.
type goldenDecode struct {
	File, Want string
	Most       int
	Mean       float64
}

func readGolden(t testing.TB) (g golden) {
	t.Helper()
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Stages) < 56 || len(g.Samples) < 5 || len(g.Decode) < 30 {
		t.Fatalf("golden.json has %d, %d and %d cases: too few to be whole", len(g.Stages), len(g.Samples), len(g.Decode))
	}
	return g
}

// readPNG reads an image of testdata with the standard library, which has no part in what is tested.
func readPNG(t testing.TB, name string) pipeline.Image {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return fromImage(m)
}

func fromImage(m image.Image) pipeline.Image {
	r := m.Bounds()
	out := pipeline.Image{W: r.Dx(), H: r.Dy()}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			out.Pix = append(out.Pix, c.R, c.G, c.B)
		}
	}
	return out
}

// newSample returns a sample with a copy of m as its image.
func newSample(m pipeline.Image, k pipeline.Key) *pipeline.Sample {
	s := pipeline.NewSample(context.Background(), k)
	s.Image = pipeline.Image{W: m.W, H: m.H, Pix: slices.Clone(m.Pix), Origin: m.Origin}
	return s
}

// distance returns the largest and the mean difference of two images in levels.
func distance(t testing.TB, got, want pipeline.Image) (most int, mean float64) {
	t.Helper()
	if got.W != want.W || got.H != want.H || len(got.Pix) != len(want.Pix) {
		t.Fatalf("got an image of %d x %d, %d bytes; want %d x %d, %d bytes",
			got.W, got.H, len(got.Pix), want.W, want.H, len(want.Pix))
	}
	sum := 0
	for i := range got.Pix {
		d := max(int(got.Pix[i]), int(want.Pix[i])) - min(int(got.Pix[i]), int(want.Pix[i]))
		most = max(most, d)
		sum += d
	}
	return most, float64(sum) / float64(len(got.Pix))
}

// A tolerance is in levels: the largest difference and the mean one.
type tolerance struct {
	most int
	mean float64
}

// tolerances are as small as the integer arithmetic of the kernels allows. Where torchvision's float32 misses a whole number from
// below, a level is lost there, which a chain multiplies.
var tolerances = map[string]tolerance{
	"resize": {1, 0.03}, "flip": {0, 0},
	"brightness": {0, 0}, "contrast": {0, 0}, "saturation": {1, 0.08}, "hue": {1, 0.015}, "grayscale": {1, 0.004}, "jitter": {4, 0.03},
	"blur": {1, 0.012}, "solarize": {0, 0}, "rotate": {0, 0}, "cutout": {0, 0}, "sobel": {1, 0.015},
}

func TestAgreesWithTorchvision(t *testing.T) {
	for _, c := range readGolden(t).Stages {
		t.Run(c.Want, func(t *testing.T) {
			s := newSample(readPNG(t, c.Image), pipeline.Key{})
			f := c.Factors
			jitter := func(factors ...float64) error {
				return ColorJitter{}.ApplyWith(s, append([]float64{1}, factors...))
			}
			b := c.Box
			var err error
			switch c.Kind {
			case "resize":
				by := map[string]Interpolation{"bilinear": Bilinear, "bicubic": Bicubic}[c.Filter]
				err = resize(s, rect(b[0], b[1], b[2], b[3]), c.Size, by, false)
			case "flip":
				err = Flip{}.ApplyWith(s, []float64{1})
			case "grayscale":
				err = Grayscale{}.ApplyWith(s, []float64{1})
			case "brightness":
				err = jitter(c.Factor, 1, 1, 0, 1234)
			case "contrast":
				err = jitter(1, c.Factor, 1, 0, 1234)
			case "saturation":
				err = jitter(1, 1, c.Factor, 0, 1234)
			case "hue":
				err = jitter(1, 1, 1, c.Factor, 1234)
			case "jitter":
				o := c.Order
				err = jitter(f[0], f[1], f[2], f[3], float64(1111+1000*o[0]+100*o[1]+10*o[2]+o[3]))
			case "blur":
				err = GaussianBlur{Kernel: c.Kernel}.ApplyWith(s, []float64{1, c.Sigma})
			case "solarize":
				err = Solarize{Threshold: int(c.Factor)}.ApplyWith(s, []float64{1})
			case "rotate":
				err = Rotate{}.ApplyWith(s, []float64{c.Factor})
			case "cutout":
				err = Cutout{Fill: [3]uint8{10, 200, 30}}.ApplyWith(s, []float64{1, float64(b[0]), float64(b[1]), float64(b[2]), float64(b[3])})
			case "sobel":
				err = Sobel{}.ApplyWith(s, []float64{1})
			default:
				t.Fatalf("no stage of kind %q", c.Kind)
			}
			if err != nil {
				t.Fatal(err)
			}
			most, mean := distance(t, s.Image, readPNG(t, c.Want))
			tol := tolerances[c.Kind]
			t.Logf("largest difference %d, mean %.3f", most, mean)
			if most > tol.most || mean > tol.mean {
				t.Errorf("%s differs by %d levels at most and %.3f on average, want at most %d and %.2f",
					describe(c), most, mean, tol.most, tol.mean)
			}
		})
	}
}

func describe(c goldenStage) string {
	switch c.Kind {
	case "resize":
		return fmt.Sprintf("%s of %v to %d", c.Filter, c.Box, c.Size)
	case "jitter":
		return fmt.Sprintf("jitter %v in order %v", c.Factors, c.Order)
	case "blur":
		return fmt.Sprintf("blur of %d pixels, sigma %g", c.Kernel, c.Sigma)
	}
	return fmt.Sprintf("%s %g", c.Kind, c.Factor)
}
