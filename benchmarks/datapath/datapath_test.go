// Package datapath measures how fast the pipeline makes batches of two views, with nobody to use them, and shows that the batches are
// the same with any number of workers.
//
// benchmarks/run_peers.sh runs it beside other libraries.
package datapath

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

const batch = 64

// A subject is a set of images and the chain that makes views of them, as a peer names the set and the table the row.
type subject struct {
	set, name string
	images    func(testing.TB) datasets.Dataset
	view      []pipeline.Stage
}

var subjects = []subject{
	{"imagenet-224", "goclr", inData("imagenet-sample.tar"), stages.SimCLR(224, 1)},
	{"imagenet-224", "goclr-max-side=400", resized, stages.SimCLR(224, 1)},
	{"cifar10-32", "goclr", inData("cifar10-train.tar"), stages.CIFAR()},
}

func (s subject) pipeline(t testing.TB, src datasets.Dataset, o pipeline.Options) *pipeline.Pipeline {
	t.Helper()
	o.Batch, o.Seed, o.MaxBad = batch, 1, -1
	p, err := pipeline.New(src, o, stages.Decode{}, pipeline.Pair(s.view...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// BenchmarkDataPath reads, decodes and augments images into Arrow records, with one worker for each of GOMAXPROCS. One operation is
// one image, that is two views. Behind the times are the shares of the views to which stages applied, and of the images' areas
// that crops took; -short leaves them out.
func BenchmarkDataPath(b *testing.B) {
	for _, s := range subjects {
		b.Run(s.set+"/"+s.name, func(b *testing.B) {
			workers := runtime.GOMAXPROCS(0)
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(workers + 1)) // as the commands do, see pipeline.Options.Workers
			src := s.images(b)
			p := s.pipeline(b, src, pipeline.Options{Workers: workers})
			run(b, p, 0, batch, nil) // loads libraries, makes tables
			before := cpuTime(b)
			b.ResetTimer()
			images := run(b, p, 1, b.N, nil)
			b.StopTimer() // the batches that were being made ahead do not count
			b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
			b.ReportMetric(float64(images)/(cpuTime(b)-before).Seconds(), "images/cpu-s")
			if testing.Short() {
				return
			}
			for what, share := range realised(b, src, s.pipeline(b, src, pipeline.Options{Params: true}), 1, b.N) {
				b.ReportMetric(share, what)
			}
		})
	}
}

// cpuTime is the CPU time of this process so far: what other programs leave alone.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inData opens an archive of the folder that GOCLR_DATA names, or skips the test where there is none.
func inData(file string) func(testing.TB) datasets.Dataset {
	return func(t testing.TB) datasets.Dataset {
		dir := os.Getenv("GOCLR_DATA")
		if dir == "" {
			dir = filepath.Join("..", "..", "..", "shared", "data")
		}
		path := filepath.Join(dir, file)
		if _, err := os.Stat(path); err != nil {
			t.Skipf("%v: name the folder of %s in GOCLR_DATA", err, file)
		}
		return open(t, path)
	}
}

// resized opens the shards that GOCLR_RESIZED names, or skips the test where it names none.
func resized(t testing.TB) datasets.Dataset {
	dir := os.Getenv("GOCLR_RESIZED")
	if dir == "" {
		t.Skip("GOCLR_RESIZED names no shards: make them by ingest -in imagenet-sample.tar -out DIR -max-side 400 -quality 85")
	}
	return open(t, dir)
}

func open(t testing.TB, path string) datasets.Dataset {
	src, err := datasets.Open(context.Background(), path, datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	return src
}
