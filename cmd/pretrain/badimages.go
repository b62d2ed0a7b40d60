package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
)

// badImages are what the run cannot use: each is told and set aside once, whatever the number of epochs and processes that meet it.
// Safe for concurrent use: the pipeline may meet them while a step runs, see simclr.Run.Train.
type badImages struct {
	ctx  context.Context
	data pipeline.Source
	line *cli.Line
	lock sync.Mutex
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
	b.lock.Lock()
	defer b.lock.Unlock()
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
	b.lock.Lock()
	defer b.lock.Unlock()
	if b.err != nil {
		return b.err
	}
	return b.file.Flush()
}

// count is how many there are.
func (b *badImages) count() int {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.file.Len()
}

// close may be called again.
func (b *badImages) close() error {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.file.Close()
}
