package datasets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// A flakySource fails to read what fail says, for as long as it does.
type flakySource struct {
	Dataset
	fail func(i int) error
}

func (s flakySource) Read(ctx context.Context, i int, sample *pipeline.Sample) error {
	if err := s.Dataset.Read(ctx, i, sample); err != nil {
		return err
	}
	return s.fail(i)
}

func (s flakySource) describe(i int, sample *pipeline.Sample) error {
	return describe(sample.Context(), s.Dataset, i, sample)
}

// stoppedIngest stops an ingest after a number of images.
func stoppedIngest(t *testing.T, src Dataset, dir string, o IngestOptions, at int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o.Progress = func(p IngestProgress) {
		if p.Done == at {
			stop()
		}
	}
	if _, err := Ingest(ctx, src, dir, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
}

// TestStoppedBeforeItGoesOn stops an ingest that would go on before it has looked at what is there: that stays.
func TestStoppedBeforeItGoesOn(t *testing.T) {
	src := tarDataset(t, manyMembers(100, 0))
	o := IngestOptions{Check: accept, ShardBytes: 9000}
	dir := filepath.Join(t.TempDir(), "shards")
	stoppedIngest(t, src, dir, o, 90)
	before := tree(t, dir+".partial")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Ingest(ctx, src, dir, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if missing(dir+".partial") || !sameTree(tree(t, dir+".partial"), before) {
		t.Error("what was there is gone")
	}
	if sum, err := Ingest(t.Context(), src, dir, o); err != nil || sum.Kept == 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// TestGoesOnWithUnreadableSamples goes on where images that stand for the size of all cannot be read for a while: the number of shards, and
// so what is there, stays.
func TestGoesOnWithUnreadableSamples(t *testing.T) {
	list := manyMembers(100, 0)
	for i := range 50 {
		list[i].bytes += fmt.Sprintf("%2000d", 0)
	}
	src := tarDataset(t, list)
	o := IngestOptions{Check: accept, ShardBytes: 9000, MaxBad: 1}
	whole, dir := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "shards")
	if _, err := Ingest(t.Context(), src, whole, o); err != nil {
		t.Fatal(err)
	}
	stoppedIngest(t, src, dir, o, 90)
	reads := new(atomic.Int32)
	flaky := flakySource{src, func(i int) error {
		if reads.Add(1) <= 100 && i < 50 {
			return errors.New("the network is down")
		}
		return nil
	}}
	if sum, err := Ingest(t.Context(), flaky, dir, o); err != nil || sum.Kept == 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// TestBadForAWhile stops an ingest within a shard of which an image could not be read. When it goes on the image can be: it is stored, and
// not a bad one any more.
func TestBadForAWhile(t *testing.T) {
	src := tarDataset(t, manyMembers(100, 10))
	o := IngestOptions{Check: refuse, ShardBytes: 9000, MaxBad: 1}
	whole := filepath.Join(t.TempDir(), "whole")
	want, err := Ingest(t.Context(), src, whole, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{60, 75, 99} {
		dir := filepath.Join(t.TempDir(), "shards")
		halfway := o
		var on atomic.Bool
		flaky := flakySource{src, func(i int) error {
			if on.Load() && i%2 == 0 {
				return errors.New("the network is down")
			}
			return nil
		}}
		ctx, stop := context.WithCancel(t.Context())
		halfway.Workers = 1
		halfway.Progress = func(p IngestProgress) {
			if p.Done == at-5 {
				on.Store(true)
			}
			if p.Done == at {
				stop()
			}
		}
		if _, err := Ingest(ctx, flaky, dir, halfway); !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
		stop()
		again := o
		again.Progress = func(p IngestProgress) {
			if p.Bad > want.Bad || p.Done == p.Total && p.Bad != want.Bad {
				t.Errorf("stopped at %d: progress %+v", at, p)
			}
		}
		sum, err := Ingest(t.Context(), src, dir, again)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Images != 90 || sum.Bad != 10 || !sameTree(tree(t, dir), tree(t, whole)) {
			t.Errorf("stopped at %d: %+v, or other bytes", at, sum)
		}
	}
}

// TestTemporaryFileIsLeft: a kill may leave a temporary file before its name is removed.
func TestTemporaryFileIsLeft(t *testing.T) {
	src := tarDataset(t, manyMembers(100, 0))
	o := IngestOptions{Check: accept, ShardBytes: 9000}
	dir := filepath.Join(t.TempDir(), "shards")
	stoppedIngest(t, src, dir, o, 90)
	f, err := os.CreateTemp(dir+".partial", "goclr-*")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if sum, err := Ingest(t.Context(), src, dir, o); err != nil || sum.Kept == 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}
