// Memory shows that the data path needs no more memory for many images than for a few: it makes batches of two views, uses them
// for nothing, and prints a table in Markdown of the memory of the process after 1,000, 10,000 and 50,000 images.
//
//	go run ./benchmarks/memory -data imagenet-sample.tar -size 224
//	go run ./benchmarks/memory -data cifar10-train.tar -size 32
//
// A set that has fewer images is gone through again and again.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

func main() {
	log.SetFlags(0)
	var o pipeline.Options
	data := flag.String("data", "", "the `dataset`, in any form that goclr reads")
	size := flag.Int("size", 224, "side of a view in `pixels`")
	flag.IntVar(&o.Batch, "batch", 64, "images in a batch")
	flag.IntVar(&o.Workers, "workers", 0, "goroutines (default: one for each core)")
	flag.IntVar(&o.Prefetch, "prefetch", 0, "batches made ahead (default 2)")
	flag.Parse()
	if err := measure(*data, *size, o); err != nil {
		log.Fatalf("memory: %v", err)
	}
}

func measure(data string, size int, o pipeline.Options) error {
	src, err := datasets.Open(context.Background(), data, datasets.Options{})
	if err != nil {
		return err
	}
	defer src.Close()
	p, err := pipeline.New(src, o, stages.Decode{}, pipeline.Pair(stages.SimCLR(size, 1)...))
	if err != nil {
		return err
	}
	var highest peak
	if err := highest.sample(); err != nil {
		return err
	}
	go highest.watch()

	start := time.Now()
	before := highest.take()
	marks := []int{1_000, 10_000, 50_000}
	rows := make([]string, 0, len(marks))
	made := 0
	for batch, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			return err
		}
		made += int(batch.NumRows())
		if made >= marks[0] {
			if err := highest.sample(); err != nil {
				return err
			}
			rows = append(rows, fmt.Sprintf("| %d | %d |", made, highest.take()))
			if marks = marks[1:]; len(marks) == 0 {
				break
			}
		}
	}
	s := p.Stats()
	fmt.Printf("%s at %d px, %d workers, %d batches of %d images ahead; %.0f images/s\n\n", filepath.Base(data), size,
		s.Workers, s.Prefetch, o.Batch, float64(made)/time.Since(start).Seconds())
	fmt.Printf("| images so far | resident memory, MiB: the highest since the row above, sampled each second |\n|--:|--:|\n")
	fmt.Printf("| 0 | %d |\n", before)
	for _, row := range rows {
		fmt.Println(row)
	}
	return nil
}

// A peak is the highest resident memory seen, in MiB.
type peak struct{ atomic.Int64 }

// watch samples each second, for as long as the program runs.
func (p *peak) watch() {
	for range time.Tick(time.Second) {
		if err := p.sample(); err != nil {
			log.Fatal(err)
		}
	}
}

// take returns the highest so far and begins anew.
func (p *peak) take() int64 { return p.Swap(0) }

func (p *peak) sample() error {
	const file = "/proc/self/status"
	status, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, line, _ := bytes.Cut(status, []byte("\nVmRSS:"))
	number, _, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" kB"))
	kib, err := strconv.ParseInt(string(number), 10, 64)
	if !ok || err != nil {
		return fmt.Errorf("%s has no VmRSS in kB", file)
	}
	for mib := kib >> 10; ; {
		if seen := p.Load(); mib <= seen || p.CompareAndSwap(seen, mib) {
			return nil
		}
	}
}
