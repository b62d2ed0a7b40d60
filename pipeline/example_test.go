package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/goclr/goclr/pipeline"
)

// Letters is a source of one-pixel images, each encoded in three bytes.
type Letters []string

// Len implements pipeline.Source.
func (l Letters) Len() int { return len(l) }

// Read implements pipeline.Source.
func (l Letters) Read(_ context.Context, i int, s *pipeline.Sample) error {
	s.Key = fmt.Sprintf("letters/%s", l[i])
	if len(l[i]) != 3 {
		return fmt.Errorf("%d bytes, want 3", len(l[i]))
	}
	s.Bytes = []byte(l[i])
	s.Label = int32(i % 2)
	return nil
}

// Pixel decodes an image of Letters.
type Pixel struct{}

// Shape implements pipeline.Shaper.
func (Pixel) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if !in.Encoded() {
		return in, fmt.Errorf("want an encoded image, got %v: put Pixel first", in)
	}
	return pipeline.Shape{H: 1, W: 1, C: 3}, nil
}

// Apply implements pipeline.Stage.
func (Pixel) Apply(s *pipeline.Sample) error {
	copy(s.Next(1, 1).Pix, s.Bytes)
	s.Swap()
	return nil
}

// Shout makes letters upper case with probability P. All its randomness comes from s.Rand.
type Shout struct{ P float64 }

// Apply implements pipeline.Stage.
func (t Shout) Apply(s *pipeline.Sample) error {
	if s.Rand.Float64() < t.P {
		copy(s.Image.Pix, bytes.ToUpper(s.Image.Pix))
	}
	return nil
}

// A source is anything with a length and random access. What cannot be read is replaced by another image.
func ExampleSource() {
	src := Letters{"abc", "oops!", "ghi", "jkl"}
	p, err := pipeline.New(src, pipeline.Options{
		Batch: 2, Epochs: 1, Ordered: true,
		OnBad: func(e *pipeline.SampleError) { fmt.Println(e) },
	}, Pixel{})
	if err != nil {
		log.Fatal(err)
	}
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		ids, _ := pipeline.IDs(rec)
		labels, _ := pipeline.Labels(rec)
		fmt.Println(ids, labels)
	}
	// Output:
	// sample 1 (letters/oops!), stage Source: 5 bytes, want 3
	// [0 3] [0 1]
	// [2 3] [0 1]
}

// Writing your own stage: a type with its parameters in exported fields and an Apply method. The same seed makes the same
// views, on any machine and with any number of workers.
func ExampleStage() {
	src := Letters{"abc", "def", "ghi", "jkl"}
	o := pipeline.Options{Batch: 2, Epochs: 1, Ordered: true, Seed: 2}
	p, err := pipeline.New(src, o, Pixel{}, pipeline.Pair(Shout{P: 0.5}))
	if err != nil {
		log.Fatal(err)
	}
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		pix, _, _ := pipeline.Views(rec)
		fmt.Printf("%s\n", pix)
	}
	// Output:
	// ABCabcDEFDEF
	// GHIGHIjklJKL
}

// A function is a stage too, once it has a name: its random numbers hang on it.
func ExampleStageFunc() {
	reverse := pipeline.StageFunc(func(s *pipeline.Sample) error {
		p := s.Image.Pix
		p[0], p[2] = p[2], p[0]
		return nil
	})
	o := pipeline.Options{Batch: 2, Epochs: 1, Ordered: true}
	p, err := pipeline.New(Letters{"abc", "def"}, o, Pixel{}, pipeline.Named("Reverse", reverse))
	if err != nil {
		log.Fatal(err)
	}
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		pix, _, _ := pipeline.Views(rec)
		fmt.Printf("%s\n", pix)
	}
	// Output:
	// cbafed
}

// A stage that is a Shaper makes a wrong order fail before the first image is read.
func ExampleShaper() {
	_, err := pipeline.New(Letters{"abc"}, pipeline.Options{Batch: 1}, Pixel{}, Pixel{})
	fmt.Println(err)
	// Output:
	// pipeline: stage Pixel#2: want an encoded image, got 1x1x3: put Pixel first
}

// A record of two images with two views each. Batches begins at any step, and makes the same records from there on.
func ExamplePipeline_Batches() {
	src := Letters{"abc", "def", "ghi", "jkl", "mno"}
	p, err := pipeline.New(src, pipeline.Options{Batch: 2, Epochs: 2}, Pixel{}, pipeline.Pair(Shout{P: 0.5}))
	if err != nil {
		log.Fatal(err)
	}
	for _, from := range []int{0, 2} {
		step := from
		for rec, err := range p.Batches(context.Background(), from) {
			if err != nil {
				log.Fatal(err)
			}
			ids, _ := pipeline.IDs(rec)
			pix, shape, _ := pipeline.Views(rec)
			fmt.Printf("step %d: images %v, %v each: %s\n", step, ids, shape, pix)
			step++
		}
	}
	// Output:
	// step 0: images [0 2], [2 1 1 3] each: ABCabcGHIGHI
	// step 1: images [1 4], [2 1 1 3] each: DEFdefMNOMNO
	// step 2: images [2 3], [2 1 1 3] each: ghiGHIJKLJKL
	// step 3: images [0 1], [2 1 1 3] each: ABCabcdefDEF
	// step 2: images [2 3], [2 1 1 3] each: ghiGHIJKLJKL
	// step 3: images [0 1], [2 1 1 3] each: ABCabcdefDEF
}

// What a run is resumed with must match what it began with.
func ExamplePlan_Diff() {
	src := Letters{"abc", "def"}
	plan := func(s pipeline.Stage) pipeline.Plan {
		p, err := pipeline.New(src, pipeline.Options{Batch: 2}, Pixel{}, pipeline.Pair(s))
		if err != nil {
			log.Fatal(err)
		}
		return p.Plan()
	}
	fmt.Println(plan(Shout{P: 0.8}).Diff(plan(Shout{P: 0.5})))
	// Output:
	// view 1: stage 1, Shout: P is 0.8, was 0.5
}
