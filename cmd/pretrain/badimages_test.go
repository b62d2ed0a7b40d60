package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"testing"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
)

// texts are images that are none.
type texts int

func (n texts) Len() int { return int(n) }

func (texts) Read(_ context.Context, _ int, s *pipeline.Sample) error {
	s.Bytes = []byte("text")
	return nil
}

// TestBadImagesBesideCheckpoints meets bad images while checkpoints are made, as it is where batches are taken ahead of the step.
func TestBadImagesBesideCheckpoints(t *testing.T) {
	const images = 100
	file, err := datasets.OpenQuarantine(filepath.Join(t.TempDir(), datasets.QuarantineName))
	if err != nil {
		t.Fatal(err)
	}
	line := cli.NewLine(io.Discard)
	defer line.Close()
	b := &badImages{ctx: t.Context(), data: texts(images), line: line, file: file}
	var group sync.WaitGroup
	group.Go(func() {
		for id := range uint64(images) {
			b.add(&pipeline.SampleError{ID: id, Stage: "Decode", Err: errors.New("not an image")})
		}
	})
	for range 10 {
		if err := b.flush(); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
	if n := b.count(); n != images {
		t.Errorf("%d images were set aside, want %d", n, images)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
}
