package stages

import (
	"fmt"
	"image"
	"math"
	"slices"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// goldenSamples says how the parts that a library draws of an image of W by H pixels are distributed: for each quantity, values and
// the share of the draws that do not exceed them.
type goldenSamples struct {
	W, H, Draws  int
	Scale, Ratio [2]float64
	Shares       struct{ X, Y, Width, Height, Area, Ratio [][2]float64 }
}

// The parts that are drawn must be distributed as those of the libraries are: the share of draws up to each of a library's values is
// compared.
func TestCropsAreDistributedAsTheLibraries(t *testing.T) {
	for style, rows := range map[Style][]goldenSamples{Torchvision: readGolden(t).Samples, TensorFlow: readTensorFlow(t).Samples} {
		for _, row := range rows {
			t.Run(fmt.Sprintf("%v/%dx%d", style, row.W, row.H), func(t *testing.T) {
				compareSamples(t, RandomResizedCrop{Size: 32, Scale: row.Scale, Ratio: row.Ratio, Style: style}, row)
			})
		}
	}
}

func compareSamples(t *testing.T, c RandomResizedCrop, want goldenSamples) {
	const n = 100000
	boxes := make([]image.Rectangle, 0, n)
	draws("samples", n, func(k pipeline.Key) { boxes = append(boxes, drawnBox(c, k, want.W, want.H)) })
	values := make([]float64, n)
	for _, q := range []struct {
		name string
		of   func(b image.Rectangle) float64
		want [][2]float64
	}{
		{"x", func(b image.Rectangle) float64 { return float64(b.Min.X) }, want.Shares.X},
		{"y", func(b image.Rectangle) float64 { return float64(b.Min.Y) }, want.Shares.Y},
		{"width", func(b image.Rectangle) float64 { return float64(b.Dx()) }, want.Shares.Width},
		{"height", func(b image.Rectangle) float64 { return float64(b.Dy()) }, want.Shares.Height},
		{"area", func(b image.Rectangle) float64 { return float64(b.Dx() * b.Dy()) }, want.Shares.Area},
		{"ratio", func(b image.Rectangle) float64 { return float64(b.Dx()) / float64(b.Dy()) }, want.Shares.Ratio},
	} {
		if len(q.want) == 0 {
			t.Fatalf("nothing is known of %s", q.name)
		}
		for i, b := range boxes {
			values[i] = q.of(b)
		}
		slices.Sort(values)
		for _, at := range q.want {
			value, p := at[0], at[1]
			upTo, _ := slices.BinarySearch(values, math.Nextafter(value, math.Inf(1)))
			share := float64(upTo) / n
			// Both shares are of random draws: four and a half standard errors of their difference.
			slack := 4.5*math.Sqrt(p*(1-p)*(1./n+1/float64(want.Draws))) + 1e-4
			if math.Abs(share-p) > slack {
				t.Errorf("%s is at most %g in a share of %.4f of the draws, want %.4f within %.4f", q.name, value, share, p, slack)
			}
		}
	}
}
