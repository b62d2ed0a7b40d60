package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/ipc"

	"github.com/goclr/goclr/backends"
	_ "github.com/goclr/goclr/backends/reference"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

const (
	data  = "synthetic:n=24"
	batch = 4
)

// train makes a run of one step as pretrain does, and returns its directory and pipeline.
func train(t *testing.T) (string, *pipeline.Pipeline) {
	t.Helper()
	src, err := datasets.Open(t.Context(), data, datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	p, err := pipeline.New(src, pipeline.Options{Batch: batch, Epochs: 2, Seed: 3, Window: 17}, stages.Decode{MaxPixels: 1 << 20},
		pipeline.Pair(stages.SimCLR(8, 0.5)...))
	if err != nil {
		t.Fatal(err)
	}
	b, err := backends.Open(t.Context(), "reference", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	model := simclr.DefaultModel()
	model.ImageSize, model.Width = 8, 0.25
	r := simclr.Run{
		Dir:      filepath.Join(t.TempDir(), "run"),
		Config:   simclr.Config{Model: model, Optimizer: simclr.Optimizer{Name: "sgd", Momentum: 0.9}, Epochs: 2, Seed: 3},
		MaxSteps: 1,
		Settings: map[string]string{"data": data, "augment": "torchvision", "strength": "0.5", "max-pixels": "1048576"},
	}
	if err := r.Train(t.Context(), b, p); err != nil {
		t.Fatal(err)
	}
	return r.Dir, p
}

func TestStreamHasTheBatchesOfTheRun(t *testing.T) {
	run, p := train(t)
	const from, steps = 5, 8 // from one epoch into the next
	var out bytes.Buffer
	if err := write(&out, false, run, "", from, steps); err != nil {
		t.Fatal(err)
	}
	stream, err := ipc.NewReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Release()
	metadata := stream.Schema().Metadata()
	if got := metadata.ToMap(); got["from"] != "5" || got["plan_hash"] != p.Plan().Hash() {
		t.Errorf("the schema has %v", got)
	}
	n := from
	for want, err := range p.Batches(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		if n == steps {
			break
		}
		if !stream.Next() {
			t.Fatalf("the stream ends before batch %d: %v", n, stream.Err())
		}
		pix, _, err := pipeline.Views(stream.Record())
		if err != nil {
			t.Fatal(err)
		}
		wantPix, _, err := pipeline.Views(want)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(pix, wantPix) {
			t.Errorf("batch %d has other views", n)
		}
		n++
	}
	if stream.Next() {
		t.Errorf("the stream goes on after batch %d", steps-1)
	}
}

func TestRawStreamHasTheBytesOfTheBatches(t *testing.T) {
	run, p := train(t)
	const from, steps = 5, 8
	var out bytes.Buffer
	if err := write(&out, true, run, "", from, steps); err != nil {
		t.Fatal(err)
	}
	line, err := out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var got header
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	want := header{PlanHash: p.Plan().Hash(), From: from, Shape: []int{batch, 2, 8, 8, 3}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the header is %+v, want %+v", got, want)
	}
	n := from
	for record, err := range p.Batches(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		if n == steps {
			break
		}
		views, _, err := pipeline.Views(record)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Next(len(views)), views) {
			t.Errorf("batch %d has other views", n)
		}
		n++
	}
	if out.Len() > 0 {
		t.Errorf("%d bytes follow the last batch", out.Len())
	}
}

func TestStreamRefuses(t *testing.T) {
	run, _ := train(t)
	for _, c := range []struct {
		name, run, data string
		from, steps     int
		want            string
	}{
		{"no flag", "", "", 0, 0, "-run is needed"},
		{"no run", t.TempDir(), "", 0, 0, "name the directory"},
		{"other images", run, "synthetic:n=25", 0, 0, "other batches than those of the run: source"},
		{"no images", run, "nowhere/at-all", 0, 0, "say with -data where they are now"},
		{"beyond the schedule", run, "", 0, 13, "has batches 0 to 11"},
		{"backwards", run, "", 5, 4, "has batches 0 to 11"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := write(&out, false, c.run, c.data, c.from, c.steps)
			if err == nil || !strings.Contains(err.Error(), c.want) || out.Len() > 0 {
				t.Errorf("%v, want %q; %d bytes were written", err, c.want, out.Len())
			}
		})
	}
}
