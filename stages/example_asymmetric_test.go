package stages_test

import (
	"context"
	"fmt"
	"os"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// Files is a source of images in files.
type Files []string

// Len implements pipeline.Source.
func (f Files) Len() int { return len(f) }

// Read implements pipeline.Source.
func (f Files) Read(_ context.Context, i int, s *pipeline.Sample) (err error) {
	s.Key = f[i]
	s.Bytes, err = os.ReadFile(f[i])
	return err
}

// How the paper compares augmentations (section 3.1, figure 5): the image is cropped at random and resized, and then one branch
// has the transformation under study and the other none.
func Example_asymmetricViews() {
	study := []pipeline.Stage{stages.Cutout{P: 1}, stages.Grayscale{P: 1}}
	views, err := pipeline.New(Files{"testdata/97x61.png", "testdata/48x40.png"},
		pipeline.Options{Batch: 2, Epochs: 1, Seed: 1, Params: true},
		stages.Decode{},
		stages.RandomResizedCrop{Size: 32},
		pipeline.PairOf(study, nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	for batch, err := range views.Batches(context.Background(), 0) {
		if err != nil {
			fmt.Println(err)
			return
		}
		drawn, err := pipeline.Params(batch, 0)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, d := range drawn {
			fmt.Println(d.View, d.Stage, d.Names, d.Values)
		}
	}
	// Output:
	// 0 RandomResizedCrop [x y w h] [18 1 29 34]
	// 1 Cutout [on x y w h] [1 1 18 16 14]
	// 1 Grayscale [on] [1]
}
