package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
)

const statHelp = `
ingest stat reads all images of a data set once and tells what there is: classes, sizes, formats, bytes, exact duplicates, bad ones.

  ingest stat SRC

SRC is a data set as "ingest -h" tells them. Sizes are those that shards have noted, or else those of the headers; no image is decoded:
for that there is "ingest verify -decode". It holds 16 bytes of each image in memory. It fails if an image cannot be read.

Examples:
  ingest stat shards
  ingest stat photos.tar -json > photos.json
`

func stat(ctx context.Context, args []string) error {
	f := cli.NewFlags("ingest stat", statHelp)
	asJSON := f.Bool("json", false, "write JSON, with all classes")
	workers := f.Int("workers", runtime.NumCPU(), "images looked at at once")
	src := sourceFlags(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	switch {
	case f.NArg() != 1:
		return cli.Usagef("stat takes one data set, and has %d arguments", f.NArg())
	case *workers < 1:
		return cli.Usagef("-workers %d: it must be at least 1", *workers)
	}
	d, err := src.Open(ctx, f.Arg(0))
	if err != nil {
		return err
	}
	defer d.Close()
	s, unreadable, err := survey(ctx, f.Arg(0), d, *workers)
	if err != nil {
		return err
	}
	if *asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err = e.Encode(s)
	} else {
		err = s.print(os.Stdout)
	}
	if err != nil {
		return err
	}
	if err := unreadable.err(); err != nil {
		return fmt.Errorf("%s: of %d images %w", f.Arg(0), s.Images, err)
	}
	return nil
}

// statistics are what stat tells, as it is in JSON.
type statistics struct {
	Dataset    string     `json:"dataset"`
	Images     int        `json:"images"`     // rows
	Unreadable int        `json:"unreadable"` // of them
	Bad        int        `json:"bad"`        // in its quarantine, not among Images
	Bytes      int64      `json:"bytes"`      // of all images, as they are stored
	Smallest   int64      `json:"smallest"`   // bytes of an image
	Largest    int64      `json:"largest"`
	Duplicates duplicates `json:"duplicates"`
	Classes    []count    `json:"classes"` // the largest first; no name: images without a label
	Formats    []count    `json:"formats"`
	Sizes      []sizes    `json:"sizes"` // smaller ones first
}

// survey reads a data set. What cannot be read is told apart.
func survey(ctx context.Context, name string, d datasets.Dataset, workers int) (*statistics, *faults, error) {
	s := &statistics{Dataset: name, Images: d.Len()}
	line := cli.NewLine(os.Stderr)
	defer line.Close()
	meter := cli.NewMeter("images", 0, d.Len())
	var mu sync.Mutex
	var unreadable faults
	classes, formats, grid := tally{}, tally{}, grid{}
	for _, c := range d.Classes() {
		classes.add(c, 0) // an empty class is worth knowing
	}
	hashes := make([]hash, 0, d.Len())
	done := 0
	err := datasets.Visit(ctx, d, workers, func(i int, sample *pipeline.Sample, err error) {
		var look glance
		if err == nil {
			look, err = glanceAt(d, i, sample)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			unreadable.add(i, fmt.Sprintf("%s: %v", sample.Key, err))
		} else {
			n := int64(len(sample.Bytes))
			if len(hashes) == 0 || n < s.Smallest {
				s.Smallest = n
			}
			s.Largest = max(s.Largest, n)
			s.Bytes += n
			hashes = append(hashes, look.hash)
			formats.add(look.format, 1)
			grid.add(look.width, look.height)
			classes.add(look.class, 1)
		}
		done++
		line.Show(meter.Text(done) + unreadable.count())
	})
	if err != nil {
		return nil, nil, err
	}
	s.Unreadable = unreadable.n
	s.Duplicates = findDuplicates(hashes)
	s.Classes, s.Formats, s.Sizes = classes.sorted(), formats.sorted(), grid.sorted()
	if d, ok := d.(datasets.Quarantiner); ok {
		s.Bad = d.Quarantined()
	}
	return s, &unreadable, nil
}

// A glance is what is seen of one image.
type glance struct {
	hash          hash
	format, class string
	width, height int // 0 where they are not known
}

func glanceAt(d datasets.Dataset, i int, s *pipeline.Sample) (g glance, err error) {
	sum := sha256.Sum256(s.Bytes)
	g.hash = hash(sum[:])
	if s.Label >= 0 && int(s.Label) < len(d.Classes()) {
		g.class = d.Classes()[s.Label]
	}
	g.format, g.width, g.height = format(s.Bytes)
	if d, ok := d.(datasets.Sizer); ok {
		g.width, g.height, err = d.Size(i)
	}
	return g, err
}

// printedClasses is how many classes are listed: the largest.
const printedClasses = 20

// print writes the statistics as text.
func (s *statistics) print(w io.Writer) error {
	b := bufio.NewWriter(w) // an error stays until Flush
	fmt.Fprintf(b, "%s: %s of %s, %s", s.Dataset, counted(s.Images, "image"), classes(s.Classes), size(s.Bytes))
	if n := s.Images - s.Unreadable; n > 0 {
		fmt.Fprintf(b, "; one has %s to %s, %s on average", size(s.Smallest), size(s.Largest), size(s.Bytes/int64(n)))
	}
	fmt.Fprintln(b)
	if err := errors.Join(printCounts(b, "class", s.Classes), printCounts(b, "format", s.Formats)); err != nil {
		return err
	}
	fmt.Fprint(b, "\nimages by height, down, and width, across, in pixels\n")
	if err := printSizes(b, s.Sizes); err != nil {
		return err
	}
	fmt.Fprintf(b, "\nduplicates  %s\n", orNone(s.Duplicates.Copies, "exact copies of "+counted(s.Duplicates.Originals, "image")))
	fmt.Fprintf(b, "unreadable  %s\n", orNone(s.Unreadable, "named below"))
	fmt.Fprintf(b, "bad         %s\n", orNone(s.Bad, "in its quarantine; to see why: ingest look "+s.Dataset))
	return b.Flush()
}

func orNone(n int, what string) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", n, what)
}

// classes says how many there are; images without a label are of none.
func classes(list []count) string {
	n := len(list)
	for _, c := range list {
		if c.Name == "" {
			n--
		}
	}
	switch n {
	case 0:
		return "no class"
	case 1:
		return "1 class"
	}
	return fmt.Sprintf("%d classes", n)
}

// printCounts lists the largest.
func printCounts(w io.Writer, what string, list []count) error {
	fmt.Fprintln(w)
	t := newTable(w, "rl")
	errs := []error{t.row("images", what)}
	for _, c := range list[:min(len(list), printedClasses)] {
		errs = append(errs, t.row(fmt.Sprint(c.Images), cmp.Or(c.Name, "(no label)")))
	}
	rest := 0
	for _, c := range list[min(len(list), printedClasses):] {
		rest += c.Images
	}
	if len(list) > printedClasses {
		errs = append(errs, t.row(fmt.Sprint(rest), fmt.Sprintf("(%d more)", len(list)-printedClasses)))
	}
	return errors.Join(append(errs, t.flush())...)
}
