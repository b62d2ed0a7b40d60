// Package datapath measures how fast the pipeline makes batches of two views, with nobody to use them.
//
// It holds benchmarks only; benchmarks/run_datapath.sh runs them beside other loaders.
package datapath

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

const batch = 50

// BenchmarkDataPath reads, decodes and augments images into Arrow records with one worker. One operation is one image, that
// is two views. The images are those of GOCLR_DATA.
func BenchmarkDataPath(b *testing.B) {
	for _, c := range []struct {
		name, file string
		stages     []pipeline.Stage
	}{
		{"imagenet-224", "imagenet-sample.tar", stages.SimCLR(224, 1)},
		{"cifar10-32", "cifar10-train.tar", stages.CIFAR()},
	} {
		b.Run(c.name+"/goclr", func(b *testing.B) {
			src := open(b, c.file)
			p, err := pipeline.New(src, pipeline.Options{Batch: batch, Workers: 1, Seed: 1, MaxBad: -1},
				stages.Decode{}, pipeline.Pair(c.stages...))
			if err != nil {
				b.Fatal(err)
			}
			warmUp(b, p)
			images := 0
			before := cpuTime(b)
			b.ResetTimer()
			for _, err := range p.Batches(context.Background(), 1) {
				if err != nil {
					b.Fatal(err)
				}
				if images += batch; images >= b.N {
					b.StopTimer() // the batch that is being made ahead does not count
					break
				}
			}
			b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
			b.ReportMetric(float64(images)/(cpuTime(b)-before).Seconds(), "images/cpu-s")
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

// warmUp makes the first batch, so that libraries are loaded and tables made.
func warmUp(b *testing.B, p *pipeline.Pipeline) {
	b.Helper()
	for _, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			b.Fatal(err)
		}
		return
	}
}

// open opens an archive of the data folder, or skips the benchmark where there is none.
func open(b *testing.B, file string) datasets.Dataset {
	b.Helper()
	dir := os.Getenv("GOCLR_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	path := filepath.Join(dir, file)
	if _, err := os.Stat(path); err != nil {
		b.Skipf("%v: name the folder of %s in GOCLR_DATA", err, file)
	}
	src, err := datasets.Open(context.Background(), path, datasets.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := src.Close(); err != nil {
			b.Error(err)
		}
	})
	return src
}
