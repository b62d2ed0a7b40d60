package datasets_test

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"log"
	"os"
	"path/filepath"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// Any dataset is opened by one string: a folder, an archive, shards, or the procedural set.
func ExampleOpen() {
	ctx := context.Background()
	d, err := datasets.Open(ctx, "synthetic:n=1000,size=64#test", datasets.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	s := pipeline.NewSample(ctx, pipeline.Key{})
	if err := d.Read(ctx, 42, s); err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Len(), "images of", len(d.Classes()), "classes")
	fmt.Println(s.Key, "is a", d.Classes()[s.Label])
	// Output:
	// 1000 images of 10 classes
	// test/cross/42.jpg is a cross
}

// A frames Source is the images of a slice: anything with a length and a Read can be trained on.
type frames [][]byte

func (f frames) Len() int { return len(f) }

func (f frames) Read(_ context.Context, i int, s *pipeline.Sample) error {
	s.Bytes = f[i] // the Source's own; nobody writes to it
	s.Key = fmt.Sprint("frame ", i)
	s.Label = -1 // unknown
	return nil
}

// Three more methods make a Source a Dataset, which Ingest writes.
func (f frames) Classes() []string   { return nil }
func (f frames) Fingerprint() string { return fmt.Sprintf("frames n=%d", len(f)) }
func (f frames) Close() error        { return nil }

// Shards are written from any Dataset, here one of our own.
func ExampleIngest() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	check := func(b []byte) (w, h int, err error) { // stages.Check in earnest
		c, err := jpeg.DecodeConfig(bytes.NewReader(b))
		return c.Width, c.Height, err
	}
	src := frames{oneJPEG(), oneJPEG(), []byte("no JPEG"), oneJPEG()}
	out := filepath.Join(dir, "shards")
	sum, err := datasets.Ingest(ctx, src, out, datasets.IngestOptions{Check: check, MaxBad: 0.25})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum.Images, "images,", sum.Bad, "bad")
	report, err := datasets.Verify(ctx, out, nil)
	fmt.Println(report.Images, "verified,", err)
	// Output:
	// 3 images, 1 bad
	// 3 verified, <nil>
}

// A training keeps what it cannot use, each image once, to be looked at with "ingest look".
func ExampleQuarantine() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, datasets.QuarantineName)
	q, err := datasets.OpenQuarantine(file)
	if err != nil {
		log.Fatal(err)
	}
	src := frames{oneJPEG(), oneJPEG(), []byte("no JPEG"), oneJPEG(), oneJPEG()}
	onBad := func(e *pipeline.SampleError) {
		if _, err := q.AddSample(ctx, src, e); err != nil {
			log.Fatal(err)
		}
	}
	p, err := pipeline.New(src, pipeline.Options{Batch: 2, Epochs: 2, MaxBad: 1, OnBad: onBad}, stages.Decode{}, stages.Resize{Size: 8})
	if err != nil {
		log.Fatal(err)
	}
	for _, err := range p.Batches(ctx, 0) {
		if err != nil {
			log.Fatal(err)
		}
		if err := q.Flush(); err != nil { // before what is learnt of the batch is saved
			log.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		log.Fatal(err)
	}
	for bad, err := range datasets.ReadQuarantine(file) {
		fmt.Printf("%s failed to %s: %q, %v\n", bad.Key, bad.Stage, bad.Bytes, err)
	}
	// Output:
	// frame 2 failed to decode: "no JPEG", <nil>
}

func oneJPEG() []byte {
	d, err := datasets.NewSynthetic(datasets.Synthetic{N: 1})
	if err != nil {
		log.Fatal(err)
	}
	s := pipeline.NewSample(context.Background(), pipeline.Key{})
	if err := d.Read(context.Background(), 0, s); err != nil {
		log.Fatal(err)
	}
	return bytes.Clone(s.Bytes)
}
