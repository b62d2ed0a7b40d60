package datapath

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	_ "image/jpeg"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/pipeline"
)

// run makes batches from the given step on until they hold so many images, and returns how many they hold.
func run(t testing.TB, p *pipeline.Pipeline, from, images int, use func(arrow.Record)) (made int) {
	t.Helper()
	for rec, err := range p.Batches(context.Background(), from) {
		if err != nil {
			t.Fatal(err)
		}
		if use != nil {
			use(rec)
		}
		if made += int(rec.NumRows()); made >= images {
			return made
		}
	}
	return made
}

// TestDigest shows that batches are the same with one worker and with two.
func TestDigest(t *testing.T) {
	const images = 8 * batch
	for _, s := range subjects {
		t.Run(s.set+"/"+s.name, func(t *testing.T) {
			src := s.images(t)
			digests := map[string]bool{}
			for _, workers := range []int{1, 2} {
				p := s.pipeline(t, src, pipeline.Options{Workers: workers})
				sum := sha256.New()
				run(t, p, 0, images, func(rec arrow.Record) {
					ids, err := pipeline.IDs(rec)
					if err != nil {
						t.Fatal(err)
					}
					pix, _, err := pipeline.Views(rec)
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintln(sum, ids)
					sum.Write(pix)
				})
				digest := fmt.Sprintf("%x", sum.Sum(nil))
				t.Logf("%d images, workers %d: SHA-256 %s", images, workers, digest)
				digests[digest] = true
			}
			if len(digests) != 1 {
				t.Error("the digests differ")
			}
		})
	}
}

// realised makes batches again, with what was drawn for them, and returns the shares of the views that were flipped and so on, and the
// mean share of their images' areas that crops took.
func realised(t testing.TB, src pipeline.Source, p *pipeline.Pipeline, from, images int) map[string]float64 {
	t.Helper()
	what := map[string]string{"Flip": "flip", "ColorJitter": "jitter", "Grayscale": "gray", "GaussianBlur": "blur"}
	shares := map[string]float64{}
	views := 2 * run(t, p, from, images, func(rec arrow.Record) {
		ids, err := pipeline.IDs(rec)
		if err != nil {
			t.Fatal(err)
		}
		for row, id := range ids {
			drawn, err := pipeline.Params(rec, row)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range drawn {
				value := map[string]float64{}
				for i, name := range d.Names {
					value[name] = d.Values[i]
				}
				if d.Stage == "RandomResizedCrop" {
					shares["area"] += value["w"] * value["h"] / area(t, src, id)
				} else {
					shares[what[d.Stage]] += value["on"]
				}
			}
		}
	})
	for name := range shares {
		shares[name] /= float64(views)
	}
	return shares
}

// area is the number of pixels of image id.
func area(t testing.TB, src pipeline.Source, id uint64) float64 {
	t.Helper()
	s := pipeline.NewSample(context.Background(), pipeline.Key{})
	if err := src.Read(context.Background(), int(id), s); err != nil {
		t.Fatal(err)
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(s.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	return float64(c.Width * c.Height)
}
