package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/simclr"
)

const embedHelp = `Evaluate embed writes the features of images, with or without labels, as an Arrow IPC file: id uint64 (the index of
the image in SRC), label int32 (-1: none) and features, a list of float32 of fixed length.

  evaluate embed -run runs/a -in photos/ -out photos.arrow`

func runEmbed(ctx context.Context, args []string) error {
	f := cli.NewFlags("evaluate embed", embedHelp)
	var e encoderFlags
	e.define(f)
	in := f.String("in", "", "images to embed: `SRC`")
	var source cli.Source
	source.AddTo(f)
	out := f.String("out", "", "the `file` to write")
	if err := e.parse(args); err != nil {
		return err
	}
	if *in == "" || *out == "" {
		return cli.Usagef("-in and -out are needed: the images and the file to write")
	}
	// Better now than after an hour of embedding.
	if err := checkOut(*out); err != nil {
		return err
	}
	b, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	encoder, err := simclr.OpenEncoder(ctx, b, e.run)
	if err != nil {
		return err
	}
	defer encoder.Close()
	data, err := source.Open(ctx, *in)
	if err != nil {
		return err
	}
	defer data.Close()
	line := cli.NewLine(os.Stderr)
	defer line.Close()
	features, err := encoder.Features(ctx, data, e.options(line, "embed", data.Len()))
	if err != nil {
		return err
	}
	if err := cli.WriteFile(*out, features.Write); err != nil {
		return err
	}
	line.Close()
	fmt.Fprintf(os.Stderr, "%d images, %d features each, in %s\n", features.Len(), features.Dim, *out)
	return nil
}

// checkOut returns an error unless a file of the name can be there.
func checkOut(path string) error {
	if dir, err := os.Stat(filepath.Dir(path)); err != nil || !dir.IsDir() {
		return cli.Usagef("-out %s: there is no folder %s", path, filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return cli.Usagef("-out %s: that is no file; name one to write", path)
	}
	return nil
}
