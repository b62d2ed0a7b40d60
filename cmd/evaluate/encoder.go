package main

import (
	"context"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/simclr/probe"
	"github.com/goclr/goclr/stages"
)

// encoderFlags name an encoder and what runs it.
type encoderFlags struct {
	flags     *cli.Flags
	run       string
	backend   cli.Backend
	workers   int
	maxPixels int
}

func (e *encoderFlags) define(f *cli.Flags) {
	e.flags = f
	defineRun(f, &e.run)
	e.backend.AddTo(f)
	f.IntVar(&e.workers, "workers", 0, "goroutines that decode (default the number of CPUs)")
	f.IntVar(&e.maxPixels, "max-pixels", stages.DefaultMaxPixels, "size above which an image is refused")
}

func defineRun(f *cli.Flags, run *string) {
	f.StringVar(run, "run", "", "the `directory` that pretrain -out wrote, or one of its checkpoints")
}

func (e *encoderFlags) parse(args []string) error {
	if err := e.flags.Parse(args); err != nil {
		return err
	}
	switch {
	case e.flags.NArg() > 0:
		return cli.Usagef("unexpected argument %q: every setting is a flag", e.flags.Arg(0))
	case e.run == "":
		return cli.Usagef("-run is needed: the directory that pretrain -out wrote")
	case e.backend.Options.Threads < 0 || e.workers < 0:
		return cli.Usagef("-threads %d -workers %d: neither may be negative", e.backend.Options.Threads, e.workers)
	case e.maxPixels < 1:
		return cli.Usagef("-max-pixels %d: it must be at least 1", e.maxPixels)
	}
	return nil
}

func (e *encoderFlags) open(ctx context.Context) (backends.Backend, error) {
	return e.backend.Open(ctx)
}

// options shows on line how many of total images are done.
func (e *encoderFlags) options(line *cli.Line, what string, total int) simclr.FeatureOptions {
	meter := cli.NewMeter("images", 0, total)
	return simclr.FeatureOptions{
		MaxPixels: e.maxPixels, Workers: e.workers,
		Observe: func(done int) { line.Show(what + " " + meter.Text(done)) },
	}
}

type embedFunc func(ctx context.Context, src pipeline.Source, o simclr.FeatureOptions) (*probe.Features, error)

// pixels is the embedding that does nothing.
func pixels(size int) embedFunc {
	return func(ctx context.Context, src pipeline.Source, o simclr.FeatureOptions) (*probe.Features, error) {
		return simclr.PixelFeatures(ctx, src, size, o)
	}
}
