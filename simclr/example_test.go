package simclr_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"log"
	"os"

	"github.com/goclr/goclr/backends"
	_ "github.com/goclr/goclr/backends/reference"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

// A program that turns images into the features of a trained encoder.
func ExampleOpenEncoder() {
	ctx := context.Background()
	run := trainedRun(ctx) // the directory that pretrain -out wrote
	defer os.RemoveAll(run)

	b, err := backends.Open(ctx, "reference", backends.Options{}) // or "onnx", with its blank import
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	encoder, err := simclr.OpenEncoder(ctx, b, run)
	if err != nil {
		log.Fatal(err)
	}
	defer encoder.Close()

	features, err := encoder.Embed(ctx, photo(40, 30), photo(64, 64)) // JPEG, PNG, WebP, GIF or TIFF
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(features), "images,", len(features[0]), "features each")
	// Output: 2 images, 128 features each
}

// The whole road in Go: images, two views of each, a model, a backend, a run.
func ExampleRun_Train() {
	run := trainedRun(context.Background())
	defer os.RemoveAll(run)
	c, err := simclr.ReadCheckpoint(run)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s after %d of %d steps\n", c.Config.Model.Encoder, c.Step, c.Steps)
	// Output: resnet18 after 2 of 15 steps
}

func trainedRun(ctx context.Context) string {
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		log.Fatal(err)
	}
	images, err := datasets.Open(ctx, "synthetic:n=60", datasets.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer images.Close()

	model := simclr.DefaultModel()
	model.Width, model.ImageSize = 0.25, 8
	config := simclr.Config{
		Model:     model,
		Optimizer: simclr.Optimizer{Name: "lars", LearningRate: 0.3, Momentum: 0.9},
		Epochs:    1,
	}
	views, err := pipeline.New(images, pipeline.Options{Batch: 4, Epochs: config.Epochs},
		stages.Decode{}, pipeline.Pair(stages.SimCLR(model.ImageSize, 0.5)...))
	if err != nil {
		log.Fatal(err)
	}
	b, err := backends.Open(ctx, "reference", backends.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	if err := (simclr.Run{Dir: dir, Config: config, MaxSteps: 2}).Train(ctx, b, views); err != nil {
		log.Fatal(err)
	}
	return dir
}

// photo returns a PNG file of the given size, with a picture of its own.
func photo(w, h int) []byte {
	m := image.NewGray(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i * w)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		log.Fatal(err)
	}
	return b.Bytes()
}
