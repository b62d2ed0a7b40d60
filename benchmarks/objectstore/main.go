// Objectstore reads every image of a dataset once, as a training does but without decoding, and prints in one line of JSON how many
// there were, their bytes, the sum of their checksums and labels, and the seconds that it took: what benchmarks/run_objectstore.sh measures.
//
//	go run ./benchmarks/objectstore -data 's3://bucket/shards?endpoint=http://127.0.0.1:9000' -cache-dir CACHE
//
// The stage that takes an image stands where a training has its decoder. Time begins with the first batch, when the dataset is open.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"hash/crc32"
	"log"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/goclr/goclr/datasets"
	_ "github.com/goclr/goclr/datasets/blob" // s3://
	"github.com/goclr/goclr/pipeline"
)

func main() {
	log.SetFlags(0)
	var o pipeline.Options
	data := flag.String("data", "", "the `dataset`, in any form that goclr reads")
	cache := flag.String("cache-dir", "", "keep shards of a store in this `folder`")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this `file`")
	flag.IntVar(&o.Window, "window", 0, "images that are shuffled among each other (default all)")
	flag.IntVar(&o.Workers, "workers", 0, "goroutines that take images (default: one for each core)")
	flag.IntVar(&o.Batch, "batch", 256, "images in a batch")
	flag.Parse()
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) // as the commands do
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := profiled(*profile, func() error { return run(ctx, *data, *cache, o) }); err != nil {
		log.Fatalf("objectstore: %v", err)
	}
}

// profiled calls run, and writes what took CPU time meanwhile to a file, if one is named.
func profiled(name string, run func() error) error {
	if name == "" {
		return run()
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	err = run()
	pprof.StopCPUProfile()
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// result is what is printed; benchmarks/peers/read_store.py prints the same.
type result struct {
	Images  int64   `json:"images"`
	Bytes   int64   `json:"bytes"`
	Sum     int64   `json:"sum"` // of the CRC-32 and the label of each image
	Seconds float64 `json:"seconds"`
}

func run(ctx context.Context, data, cache string, o pipeline.Options) error {
	src, err := datasets.Open(ctx, data, datasets.Options{CacheDir: cache})
	if err != nil {
		return err
	}
	defer src.Close()
	r, err := read(ctx, src, o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// read takes every image of a source once.
func read(ctx context.Context, src pipeline.Source, o pipeline.Options) (result, error) {
	var images, bytes, sum atomic.Int64
	take := func(s *pipeline.Sample) error {
		images.Add(1)
		bytes.Add(int64(len(s.Bytes)))
		sum.Add(int64(crc32.ChecksumIEEE(s.Bytes)) + int64(s.Label))
		s.Next(1, 1)
		s.Swap()
		return nil
	}
	o.Epochs, o.KeepTail, o.MaxBad = 1, true, -1
	p, err := pipeline.New(src, o, onePixel{take})
	if err != nil {
		return result{}, err
	}
	begin := time.Now()
	for _, err := range p.Batches(ctx, 0) {
		if err != nil {
			return result{}, err
		}
	}
	return result{images.Load(), bytes.Load(), sum.Load(), time.Since(begin).Seconds()}, nil
}

// onePixel is a stage that leaves an image of one pixel, for rows of batches must have pixels.
type onePixel struct {
	take func(*pipeline.Sample) error
}

// Apply implements pipeline.Stage.
func (p onePixel) Apply(s *pipeline.Sample) error { return p.take(s) }

// Shape implements pipeline.Shaper.
func (onePixel) Shape(pipeline.Shape) (pipeline.Shape, error) {
	return pipeline.Shape{H: 1, W: 1, C: 3}, nil
}
