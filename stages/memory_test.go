package stages

import (
	"context"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// copies is a source of n times the same JPEG.
type copies struct {
	jpeg []byte
	n    int
}

func (p copies) Len() int { return p.n }

func (p copies) Read(_ context.Context, _ int, s *pipeline.Sample) error {
	s.Bytes = p.jpeg
	return nil
}

// From the JPEG to the batch, a batch and a worker cost some allocations, a sample none.
func TestViewsOfJPEGsAllocateNothing(t *testing.T) {
	const batch, few, many = 128, 2, 10
	src := copies{readFile(t, "decode/large.jpg"), many * batch}
	chain := []pipeline.Stage{RandomResizedCrop{Size: 32}, Flip{P: 0.5}, ColorJitter{P: 0.8, Brightness: 0.4, Contrast: 0.4, Saturation: 0.4, Hue: 0.1},
		Grayscale{P: 0.2}, GaussianBlur{P: 0.5}}
	allocations := func(batches int) float64 {
		return testing.AllocsPerRun(1, func() {
			p, err := pipeline.New(src, pipeline.Options{Batch: batch, Epochs: 1}, Decode{}, pipeline.Pair(chain...))
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range p.Batches(context.Background(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				if batches--; batches == 0 {
					break
				}
			}
		})
	}
	if perSample := (allocations(many) - allocations(few)) / ((many - few) * batch); perSample > 0.5 {
		t.Errorf("%.2f allocations a sample", perSample)
	}
}
