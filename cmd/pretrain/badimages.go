package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
)

// badImages are what the run cannot use: each is told and set aside once, whatever the number of epochs and processes that meet it.
type badImages struct {
	ctx  context.Context
	data pipeline.Source
	line *cli.Line
	file *datasets.Quarantine
	err  error // the first
}

// openBadImages goes on with those of the run to resume.
func openBadImages(ctx context.Context, s *settings, data pipeline.Source, line *cli.Line) (*badImages, error) {
	name := filepath.Join(s.out, datasets.QuarantineName)
	if _, err := os.Stat(name); !s.resume && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is of another run: go on with that by -resume, or choose another -out", name)
	}
	file, err := datasets.OpenQuarantine(name)
	if err != nil {
		return nil, err
	}
	return &badImages{ctx: ctx, data: data, line: line, file: file}, nil
}

// add is told of each bad image by the pipeline. An error waits for the next checkpoint.
func (b *badImages) add(e *pipeline.SampleError) {
	added, err := b.file.AddSample(b.ctx, b.data, e)
	if added {
		b.line.Printf("bad image replaced: %v", e)
	}
	if b.err == nil && b.ctx.Err() == nil {
		b.err = err
	}
}

// flush puts all so far on disk.
func (b *badImages) flush() error {
	if b.err != nil {
		return b.err
	}
	return b.file.Flush()
}

// close may be called again.
func (b *badImages) close() error { return b.file.Close() }
