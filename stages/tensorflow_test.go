package stages

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// tensorflow is testdata/tensorflow.json, written by testdata/golden_tensorflow.py.
type tensorflow struct {
	Stages  []tensorflowStage
	Samples []goldenSamples
}

// tensorflowStage is what TensorFlow made of an image with known parameters.
type tensorflowStage struct {
	Kind, Image, Want string

	Box  [4]int // x, y, w, h
	Size int

	Order   float64
	Factors [4]float64
	Add     bool

	Kernel int
	Sigma  float64
}

func readTensorFlow(t *testing.T) (g tensorflow) {
	t.Helper()
	b, err := os.ReadFile("testdata/tensorflow.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Stages) < 40 || len(g.Samples) < 7 {
		t.Fatalf("tensorflow.json has %d and %d cases: too few to be whole", len(g.Stages), len(g.Samples))
	}
	return g
}

// tensorflowTolerances are like tolerances. TensorFlow computes in floating point, and its results are rounded only to be stored: a
// chain of four operations, which rounds after each of them here, is further off than one.
var tensorflowTolerances = map[string]tolerance{
	"resize": {1, 0.003}, "grayscale": {1, 0.003}, "jitter": {1, 0.012}, "chain": {4, 0.3}, "blur": {1, 0.011},
}

func TestAgreesWithTensorFlow(t *testing.T) {
	for _, c := range readTensorFlow(t).Stages {
		t.Run(c.Want, func(t *testing.T) {
			s := newSample(readPNG(t, c.Image), pipeline.Key{})
			var err error
			switch c.Kind {
			case "resize":
				err = resize(s, rect(c.Box[0], c.Box[1], c.Box[2], c.Box[3]), c.Size, BicubicTensorFlow, false)
			case "grayscale":
				err = Grayscale{Style: TensorFlow}.ApplyWith(s, []float64{1})
			case "jitter", "chain":
				f := c.Factors
				err = ColorJitter{AddBrightness: c.Add, Style: TensorFlow}.ApplyWith(s, []float64{1, f[0], f[1], f[2], f[3], c.Order})
			case "blur":
				err = GaussianBlur{Kernel: c.Kernel, Style: TensorFlow}.ApplyWith(s, []float64{1, c.Sigma})
			default:
				t.Fatalf("no stage of kind %q", c.Kind)
			}
			if err != nil {
				t.Fatal(err)
			}
			most, mean := distance(t, s.Image, readPNG(t, c.Want))
			tol := tensorflowTolerances[c.Kind]
			t.Logf("largest difference %d, mean %.4f", most, mean)
			if most > tol.most || mean > tol.mean {
				t.Errorf("%+v differs by %d levels at most and %.4f on average, want at most %d and %.4f", c, most, mean, tol.most, tol.mean)
			}
		})
	}
}
