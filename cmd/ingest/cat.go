package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
)

const catHelp = `
ingest cat writes one image of a data set, as it is stored, to standard output or a file. Its key, label and size go to standard error.

  ingest cat SRC KEY
  ingest cat SRC '#INDEX'      by number, from 0; in quotes, because to a shell a # begins a comment

SRC is a data set as "ingest -h" tells them.

Examples:
  ingest cat shards train/dog/0590.jpg > dog.jpg
  ingest cat cifar-10-binary.tar.gz#test '#17' -o 17.png
`

func cat(ctx context.Context, args []string) error {
	f := cli.NewFlags("ingest cat", catHelp)
	out := f.String("o", "", "write to this `file`")
	src := sourceFlags(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return cli.Usagef("cat takes a data set, and the key of an image or '#' and its number, in quotes; it has %d arguments", f.NArg())
	}
	if *out == "" && term.IsTerminal(int(os.Stdout.Fd())) {
		return cli.Usagef("an image is no text for a terminal: name a file with -o, or use a pipe")
	}
	d, err := src.Open(ctx, f.Arg(0))
	if err != nil {
		return err
	}
	defer d.Close()
	index, err := findImage(ctx, d, f.Arg(1))
	if err != nil {
		return fmt.Errorf("%s: %w", f.Arg(0), err)
	}
	s := pipeline.NewSample(ctx, pipeline.Key{})
	if err := d.Read(ctx, index, s); err != nil {
		return fmt.Errorf("%s: image #%d: %w", f.Arg(0), index, err)
	}
	if *out == "" {
		_, err = os.Stdout.Write(s.Bytes)
	} else {
		err = cli.WriteFile(*out, func(w io.WriteSeeker) error { _, err := w.Write(s.Bytes); return err })
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "#%d %s, %s, %d bytes\n", index, printable(s.Key), class(d, s.Label), len(s.Bytes))
	return nil
}

// sourceFlags adds the flags that say how a dataset is opened.
func sourceFlags(f *cli.Flags) *cli.Source {
	s := new(cli.Source)
	s.AddTo(f)
	s.AddTemp(f)
	return s
}

// findImage returns the number of the image that a word names: "#" and its number, or its key.
func findImage(ctx context.Context, d datasets.Dataset, word string) (int, error) {
	if number, ok := strings.CutPrefix(word, "#"); ok {
		index, err := strconv.Atoi(number)
		if err == nil && index >= 0 && index < d.Len() {
			return index, nil
		}
		if err == nil {
			return 0, fmt.Errorf("there is no image %s: it has #0 to #%d", word, d.Len()-1)
		}
	}
	found, err := datasets.Find(ctx, d, word)
	if err != nil {
		return 0, err
	}
	if len(found) > 1 {
		fmt.Fprintf(os.Stderr, "%d images are called so: this is the first, '#%d' is the next\n", len(found), found[1])
	}
	return found[0], nil
}

// class names a label.
func class(d datasets.Dataset, label int32) string {
	if label < 0 || int(label) >= len(d.Classes()) {
		return "without a label"
	}
	return fmt.Sprintf("label %d (%s)", label, printable(d.Classes()[label]))
}
