package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

const verifyHelp = `
ingest verify reads every byte of a folder of shards and compares it with the checksums. It fails if a bit has changed, or if a file is
missing or too many. DIR may be a URL, such as s3://bucket/shards: they are fetched one by one, to the folder of TMPDIR.

  ingest verify DIR

With -decode it also decodes every image, as ingest did: it finds those that this version and its libraries decode no longer, or to
another size.

Examples:
  ingest verify shards
  ingest verify -decode -workers 8 shards
`

func verify(ctx context.Context, args []string) error {
	f := cli.NewFlags("ingest verify", verifyHelp)
	decode := f.Bool("decode", false, "decode every image too")
	workers := f.Int("workers", runtime.NumCPU(), "images decoded at once")
	maxPixels := maxPixelsFlag(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	switch {
	case f.NArg() != 1:
		return cli.Usagef("verify takes one folder of shards, and has %d arguments", f.NArg())
	case *workers < 1:
		return cli.Usagef("-workers %d: it must be at least 1", *workers)
	case badLimit(*maxPixels) != nil:
		return cli.Usagef("-max-pixels %d: %v", *maxPixels, badLimit(*maxPixels))
	}
	dir := f.Arg(0)
	line := cli.NewLine(os.Stderr)
	defer line.Close()
	meter := cli.NewMeter("MB", 0, 0)
	report, err := datasets.Verify(ctx, dir, func(done, total int64) {
		meter.SetTotal(int(total / 1e6))
		line.Show(meter.Text(int(done / 1e6)))
	})
	if err != nil {
		return err
	}
	decoded := ""
	if *decode {
		if err := decodeAll(ctx, line, dir, *workers, *maxPixels); err != nil {
			return err
		}
		decoded = ", every image decodes"
	}
	line.Close()
	fmt.Printf("%s: good: %d images in %d shards, %s read, every checksum matches%s\n", dir, report.Images, report.Shards,
		size(report.Bytes), decoded)
	if report.Quarantined > 0 {
		fmt.Printf("%d bad images are in its quarantine; to see why: ingest look %s\n", report.Quarantined, dir)
	}
	return nil
}

func maxPixelsFlag(f *cli.Flags) *int {
	return f.Int("max-pixels", stages.DefaultMaxPixels, "width times height above which an image is bad, before it takes memory")
}

// decodeAll decodes every image of a data set.
func decodeAll(ctx context.Context, line *cli.Line, spec string, workers, maxPixels int) error {
	d, err := datasets.Open(ctx, spec, datasets.Options{})
	if err != nil {
		return err
	}
	defer d.Close()
	var mu sync.Mutex
	var bad faults
	done := 0
	meter := cli.NewMeter("images", 0, d.Len())
	err = datasets.Visit(ctx, d, workers, func(i int, s *pipeline.Sample, err error) {
		if err == nil {
			err = decodes(d, i, s.Bytes, maxPixels)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			bad.add(i, fmt.Sprintf("%s: %v", s.Key, err))
		}
		done++
		line.Show(meter.Text(done) + bad.count())
	})
	if err != nil {
		return err
	}
	if err := bad.err(); err != nil {
		return fmt.Errorf("%s: the checksums match, but of %d images %w", spec, d.Len(), err)
	}
	return nil
}

// decodes reports whether an image decodes, and to the size that its data set says.
func decodes(d datasets.Dataset, i int, image []byte, maxPixels int) error {
	w, h, err := stages.Check(image, maxPixels)
	if err != nil {
		return err
	}
	if d, ok := d.(datasets.Sizer); ok {
		if wantW, wantH, err := d.Size(i); err != nil || w != wantW || h != wantH {
			return errors.Join(fmt.Errorf("it decodes to %d x %d pixels, and was stored as %d x %d", w, h, wantW, wantH), err)
		}
	}
	return nil
}

// maxFaults is how many faults are told.
const maxFaults = 20

// faults are the first bad images of a data set, and the number of all.
type faults struct {
	n     int
	first []fault // in order
}

type fault struct {
	index int
	text  string
}

func (f *faults) add(index int, text string) {
	f.n++
	at, _ := slices.BinarySearchFunc(f.first, index, func(a fault, index int) int { return a.index - index })
	if at < maxFaults {
		f.first = slices.Insert(f.first, at, fault{index, text})
		f.first = f.first[:min(len(f.first), maxFaults)]
	}
}

// count is what a progress line says of them.
func (f *faults) count() string {
	if f.n == 0 {
		return ""
	}
	return fmt.Sprintf("  %d bad", f.n)
}

// err lists them, or is nil where there are none.
func (f *faults) err() error {
	if f.n == 0 {
		return nil
	}
	text := fmt.Sprintf("%d are bad:", f.n)
	if f.n == 1 {
		text = "1 is bad:"
	}
	for _, g := range f.first {
		text += fmt.Sprintf("\n  #%d %s", g.index, printable(g.text))
	}
	if more := f.n - len(f.first); more > 0 {
		text += fmt.Sprintf("\n  and %d more", more)
	}
	return errors.New(text)
}
