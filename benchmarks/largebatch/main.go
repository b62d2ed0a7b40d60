// Largebatch shows that a run in chunks needs memory for the chunk, not for the batch, and that its loss is that of the whole
// batch: for each size of batch it trains a ResNet-18 on generated images in a process of its own, and prints a table in
// Markdown of the highest resident memory, and of the first loss beside its definition, computed in float64.
//
//	go run ./benchmarks/largebatch
//	go run ./benchmarks/largebatch -chunk 0 -batches 256,1024     whole batches at once
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/goclr/goclr/backends"
	_ "github.com/goclr/goclr/backends/onnx"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

func main() {
	log.SetFlags(0)
	batches := flag.String("batches", "256,1024,4096,8192", "images of a batch, for each row")
	chunk := flag.Int("chunk", 64, "images that the network takes at once; 0: the batch")
	steps := flag.Int("steps", 1, "training steps")
	width := flag.Float64("width", 0.25, "of the network")
	one := flag.Int("one", 0, "print the row of this batch only: what each process does")
	flag.Parse()
	var err error
	if *one > 0 {
		err = measure(*one, *chunk, *steps, *width)
	} else {
		err = table(strings.Split(*batches, ","))
	}
	if err != nil {
		log.Fatalf("largebatch: %v", err)
	}
}

// table runs the program once for each batch.
func table(batches []string) error {
	fmt.Println("| images in a batch | in a chunk | highest resident memory, MiB | of it views of three batches | loss of step 1 | by its definition |")
	fmt.Println("|--:|--:|--:|--:|--:|--:|")
	for _, batch := range batches {
		c := exec.Command(os.Args[0], append(os.Args[1:], "-one", batch)...)
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		if err := c.Run(); err != nil {
			return fmt.Errorf("batch %s: %w", batch, err)
		}
	}
	return nil
}

const size = 32 // pixels

func measure(batch, chunk, steps int, width float64) (err error) {
	ctx := context.Background()
	src, err := datasets.NewSynthetic(datasets.Synthetic{N: batch})
	if err != nil {
		return err
	}
	// An epoch is a batch, and there are two more than are trained on: those that the pipeline makes ahead.
	const ahead = 2
	p, err := pipeline.New(src, pipeline.Options{Batch: batch, Epochs: steps + ahead, Prefetch: ahead},
		stages.Decode{}, pipeline.Pair(stages.SimCLR(size, 0.5)...))
	if err != nil {
		return err
	}
	b, err := backends.Open(ctx, "onnx", backends.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	dir, err := os.MkdirTemp("", "largebatch")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := simclr.Run{Dir: dir, MaxSteps: steps, Config: simclr.Config{
		Model:     simclr.DefaultModel(),
		Optimizer: simclr.Optimizer{Name: "lars", LearningRate: 0.3 * float64(batch) / 256, Momentum: 0.9, WeightDecay: 1e-6, WarmupEpochs: 1},
		Epochs:    steps + ahead, Chunk: chunk,
	}}
	r.Model.Width, r.Model.ImageSize = width, size
	var losses []float32
	r.Observe = func(rec simclr.Record) { losses = append(losses, *rec.Loss) }
	if err := r.Train(ctx, b, p); err != nil {
		return err
	}
	peak, err := highest()
	if err != nil {
		return err
	}
	if chunk == 0 {
		chunk = batch
	}
	z, dim, err := projections(ctx, b, p, r.Config, chunk)
	if err != nil {
		return err
	}
	views := (1 + ahead) * batch * 2 * size * size * 3 >> 20
	fmt.Printf("| %d | %d | %d | %d | %.6f | %.6f |\n", batch, chunk, peak, views, losses[0], ntXent(z, dim, r.Model.Temperature))
	return nil
}

// projections are those of the first batch by a network that has not been trained.
func projections(ctx context.Context, b backends.Backend, p *pipeline.Pipeline, c simclr.Config, chunk int) (z []float32, dim int, err error) {
	step, weights, err := c.Model.TrainStep(chunk, c.Optimizer, c.Seed)
	if err != nil {
		return nil, 0, err
	}
	program, err := b.Compile(ctx, step)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, program.Close()) }()
	if err := program.Load(weights); err != nil {
		return nil, 0, err
	}
	for batch, err := range p.Batches(ctx, 0) {
		if err != nil {
			return nil, 0, err
		}
		for first := int64(0); first < batch.NumRows(); first += int64(chunk) {
			part := batch.NewSlice(first, first+int64(chunk))
			e, err := program.Embed(ctx, part, backends.Train)
			part.Release()
			if err != nil {
				return nil, 0, err
			}
			z, dim = append(z, e.Data...), e.Dim
		}
		break
	}
	return z, dim, nil
}

// ntXent is the loss as section 2.1 of the SimCLR paper defines it: the mean over all i of the negative logarithm of
// exp(s(i, positive)/t) over the sum of exp(s(i, k)/t) for all k but i.
func ntXent(z []float32, dim int, temperature float64) float64 {
	rows := len(z) / dim
	losses := make([]float64, rows)
	var group sync.WaitGroup
	workers := runtime.NumCPU()
	for w := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := w; i < rows; i += workers {
				sum, positive := 0.0, 0.0
				for k := range rows {
					s := 0.0
					for f, v := range z[i*dim:][:dim] {
						s += float64(v) * float64(z[k*dim+f])
					}
					if k != i {
						sum += math.Exp(s / temperature)
					}
					if k == i^1 {
						positive = s / temperature
					}
				}
				losses[i] = math.Log(sum) - positive
			}
		}()
	}
	group.Wait()
	mean := 0.0
	for _, v := range losses {
		mean += v / float64(rows)
	}
	return mean
}

// highest is the most resident memory that the process has had, in MiB.
func highest() (int, error) {
	const file = "/proc/self/status"
	status, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	_, line, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	number, _, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" kB"))
	kib, err := strconv.Atoi(string(number))
	if !ok || err != nil {
		return 0, fmt.Errorf("%s has no VmHWM in kB", file)
	}
	return kib >> 10, nil
}
