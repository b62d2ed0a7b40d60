// Package step measures one training step of SimCLR: forward, loss, backward and update.
//
// benchmarks/run_step.sh runs the benchmarks beside PyTorch; run_attribution.sh says where the time of a step goes.
package step

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	_ "github.com/goclr/goclr/backends/gorgonia"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

const (
	threads = 2
	warmUps = 2 // steps before those that are measured
	gpu     = "cuda:0"

	// recording is how many steps a GPU takes until each is launched as one CUDA graph.
	recording = 4
)

var batchSize = flag.Int("images", 0, "images of a batch, instead of those of each case")

// cases are what is trained: an encoder on views of size by size pixels, two of each image.
var cases = []struct {
	name, encoder string
	width         float64
	images, size  int
}{
	{"resnet18-32px", "resnet18", 1, 64, 32},
	{"resnet18-width0.25-32px", "resnet18", 0.25, 64, 32},
	{"resnet50-224px", "resnet50", 1, 16, 224},
}

// A subject is a way to train it: a backend with the options that make a difference.
type subject struct {
	name, backend string
	options       backends.Options
}

// subjects are all that this build has.
var subjects = []subject{
	{"goclr-gorgonia", "gorgonia", backends.Options{}},
	{"goclr-gorgonia-plain", "gorgonia", backends.Options{StandardOperators: true}},
	{"goclr-cuda-fp32", "gorgonia", backends.Options{Device: gpu, Precision: "fp32"}},
	{"goclr-cuda-tf32", "gorgonia", backends.Options{Device: gpu, Precision: "tf32"}},
	{"goclr-cuda-bf16", "gorgonia", backends.Options{Device: gpu, Precision: "bf16"}},
	{"goclr-cuda-bf16-any-order", "gorgonia", backends.Options{Device: gpu, Precision: "bf16", AnyOrder: true}},
}

// BenchmarkStep trains on the same batch again and again. One operation is one step; ms/step is the median. start-MiB is the resident
// memory before anything is made, steps-MiB the highest while steps are measured; gpu-MiB is what a GPU has in use besides.
func BenchmarkStep(b *testing.B) {
	for _, c := range cases {
		model := simclr.DefaultModel()
		model.Encoder, model.Width, model.ImageSize = c.encoder, c.width, c.size
		for _, s := range subjects {
			b.Run(c.name+"/"+s.name, func(b *testing.B) {
				skipWithoutGPU(b, s)
				started, images := memory(b, "VmRSS"), c.images
				if *batchSize > 0 {
					images = *batchSize
				}
				options := s.options
				options.Threads = threads
				options.Warn = func(message string) { b.Log("warning:", message) } // which is printed when the result is
				used := memoryOfGPU()
				program := compile(b, s.backend, options, model, images)
				first := warmUps
				if options.Device == gpu {
					first = recording
				}
				median := measure(b, program, firstBatch(b, images, c.size), first)
				b.ReportMetric(float64(images)/median.Seconds(), "images/s")
				if options.Device == gpu {
					b.ReportMetric(memoryOfGPU()-used, "gpu-MiB")
				}
				b.ReportMetric(started, "start-MiB")
				b.ReportMetric(memory(b, "VmHWM"), "steps-MiB")
			})
		}
	}
}

// measure reports the time of steps after so many first ones, and returns the median.
func measure(b *testing.B, program backends.Program, batch arrow.Record, first int) time.Duration {
	b.Helper()
	again := batch.NewSlice(0, batch.NumRows()) // the same images, and another batch to a Stager
	defer again.Release()
	step := func() time.Duration {
		start := time.Now()
		staged := stage(program, again)
		_, err := program.Step(context.Background(), batch, 0.05)
		check(b, errors.Join(err, <-staged))
		batch, again = again, batch
		return time.Since(start)
	}
	for range first {
		step()
	}
	resetPeak(b)
	var times []time.Duration
	before := cpuTime(b)
	for b.Loop() {
		times = append(times, step())
	}
	cpu := (cpuTime(b) - before) / time.Duration(len(times))
	slices.Sort(times)
	b.ReportMetric(float64(cpu.Milliseconds()), "cpu-ms/step")
	median := times[len(times)/2]
	b.ReportMetric(float64(median.Microseconds())/1000, "ms/step")
	return median
}

// stage gives the next batch to a program that takes it in beside a step, as a training does.
func stage(program backends.Program, batch arrow.Record) <-chan error {
	done := make(chan error, 1)
	s, ok := program.(backends.Stager)
	if !ok {
		done <- nil
		return done
	}
	go func() { done <- s.Stage(context.Background(), batch) }()
	return done
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

// memory returns VmRSS, what is resident now, or VmHWM, the highest since resetPeak, in MiB.
func memory(b *testing.B, field string) float64 {
	b.Helper()
	const file = "/proc/self/status"
	status, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "\n"+field+":")
	var kib float64
	if _, err := fmt.Sscanf(line, "%g kB", &kib); err != nil {
		b.Fatalf("%s has no %s in kB: %v", file, field, err)
	}
	return kib / 1024
}

func resetPeak(b *testing.B) {
	b.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
}

// compile returns the training step with its first weights.
func compile(b *testing.B, backend string, o backends.Options, model simclr.Model, images int) backends.Program {
	b.Helper()
	step, weights, err := model.TrainStep(images, simclr.Optimizer{Name: "sgd", Momentum: 0.9, WeightDecay: 5e-4}, 1)
	if err != nil {
		b.Fatal(err)
	}
	open, err := backends.Open(context.Background(), backend, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { check(b, open.Close()) })
	program, err := open.Compile(context.Background(), step)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { check(b, program.Close()) })
	if err := program.Load(weights); err != nil {
		b.Fatal(err)
	}
	return program
}

// firstBatch is a batch of the procedural set.
func firstBatch(b *testing.B, images, size int) arrow.Record {
	b.Helper()
	src, err := datasets.NewSynthetic(datasets.Synthetic{N: images, Size: size})
	if err != nil {
		b.Fatal(err)
	}
	p, err := pipeline.New(src, pipeline.Options{Batch: images, Epochs: 1}, stages.Decode{}, pipeline.Pair(stages.SimCLR(size, stages.PaperStrength(size))...))
	if err != nil {
		b.Fatal(err)
	}
	var batch arrow.Record
	for record, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			b.Fatal(err)
		}
		record.Retain() // it outlives the loop
		b.Cleanup(record.Release)
		batch = record
	}
	return batch
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Error(err)
	}
}
