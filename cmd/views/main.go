// Views shows images beside the views that training makes of them.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/pipeline"
)

const help = `Views shows images beside the views that training makes of them, with all that was drawn at random.

  views [flags]                        the first images of an epoch
  views -id 17,42 [flags]              these images, as they are in that epoch
  views -run RUN [-epoch E] [-id ...]  as they were in a run of pretrain, whose settings it takes over

SRC is a folder, a .tar, a shard directory, a CIFAR archive or synthetic. Flags that pretrain has too mean the same and have
the same defaults, and the pixels are the very bytes that it trains on. Examples:

  views -data photos/ -image-size 224
  views -data photos/ -image-size 224 -n 48 -out views.png
  views -run runs/photos -epoch 3 -id 1234

The result is one file without any other: a page for a browser (.html), or a picture (.png).`

func main() { cli.Main("views", run) }

func run(ctx context.Context, args []string) error {
	s := newSettings()
	if err := s.parse(args); err != nil {
		return err
	}
	data, err := s.source.Open(ctx, s.data)
	if err != nil {
		return s.explain(err)
	}
	defer data.Close()
	sheet, err := look(ctx, s, data, func(e *pipeline.SampleError) { fmt.Fprintf(os.Stderr, "bad image left out: %v\n", e) })
	if err != nil {
		return err
	}
	if err := cli.WriteFile(s.out, sheet.writer(s.out)); err != nil {
		return err
	}
	if sheet.Warning != "" {
		fmt.Fprintln(os.Stderr, sheet.Warning)
	}
	fmt.Fprintf(os.Stderr, "%s in %s\n", count(len(sheet.Cards), "image"), s.out)
	return nil
}
