package stages_test

import (
	"context"
	"fmt"
	"os"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// The chain of one view, applied by hand to one image. A pipeline does the same for every image, twice, by
// pipeline.Pair(stages.SimCLR(224, 1)...) behind stages.Decode{}.
func ExampleSimCLR() {
	file, err := os.ReadFile("testdata/97x61.png")
	if err != nil {
		fmt.Println(err)
		return
	}
	chain := append([]pipeline.Stage{stages.Decode{}}, stages.SimCLR(224, 1)...)
	s := pipeline.NewSample(context.Background(), pipeline.Key{Seed: 1})
	s.Bytes = file
	for _, stage := range chain {
		if err := stage.Apply(s); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%T: %d x %d\n", stage, s.Image.W, s.Image.H)
	}
	// Output:
	// stages.Decode: 97 x 61
	// stages.RandomResizedCrop: 224 x 224
	// stages.Flip: 224 x 224
	// stages.ColorJitter: 224 x 224
	// stages.Grayscale: 224 x 224
	// stages.GaussianBlur: 224 x 224
}

// An ingest checks each image without keeping its pixels.
func ExampleCheck() {
	for _, name := range []string{"testdata/97x61.png", "testdata/golden.json"} {
		file, err := os.ReadFile(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		w, h, err := stages.Check(file, 0)
		fmt.Println(w, h, err)
	}
	// Output:
	// 97 61 <nil>
	// 0 0 not a JPEG, PNG, WebP, GIF or TIFF image: it begins with "{\n\"made_with"
}
