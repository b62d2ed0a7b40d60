// Package step measures one training step of SimCLR: forward, loss, backward and update.
//
// It holds benchmarks only; benchmarks/run_step.sh runs them beside PyTorch.
package step

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	_ "github.com/goclr/goclr/backends/onnx"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

const (
	images  = 64 // of a batch: 128 views
	threads = 2
	warmUps = 2
)

// BenchmarkStep trains a ResNet-18 with the small stem on views of 32 pixels, the same batch again and again. One operation
// is one step; ms/step is the median.
func BenchmarkStep(b *testing.B) {
	for _, width := range []float64{1, 0.25} {
		b.Run(fmt.Sprintf("resnet18-width%g/goclr-onnx", width), func(b *testing.B) {
			program := compile(b, "onnx", width)
			batch := firstBatch(b)
			step := func() time.Duration {
				start := time.Now()
				if _, err := program.Step(context.Background(), batch, 0.05); err != nil {
					b.Fatal(err)
				}
				return time.Since(start)
			}
			for range warmUps {
				step()
			}
			var times []time.Duration
			before := cpuTime(b)
			for b.Loop() {
				times = append(times, step())
			}
			cpu := (cpuTime(b) - before) / time.Duration(len(times))
			slices.Sort(times)
			b.ReportMetric(float64(cpu.Milliseconds()), "cpu-ms/step")
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms/step")
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

// compile returns the training step with its first weights.
func compile(b *testing.B, backend string, width float64) backends.Program {
	b.Helper()
	model := simclr.DefaultModel()
	model.Width = width
	step, weights, err := model.TrainStep(images, simclr.Optimizer{Name: "sgd", Momentum: 0.9, WeightDecay: 5e-4}, 1)
	if err != nil {
		b.Fatal(err)
	}
	open, err := backends.Open(context.Background(), backend, backends.Options{Threads: threads})
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
func firstBatch(b *testing.B) arrow.Record {
	b.Helper()
	src, err := datasets.NewSynthetic(datasets.Synthetic{N: images})
	if err != nil {
		b.Fatal(err)
	}
	p, err := pipeline.New(src, pipeline.Options{Batch: images, Epochs: 1}, stages.Decode{}, pipeline.Pair(stages.CIFAR()...))
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
