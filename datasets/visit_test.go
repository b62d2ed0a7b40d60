package datasets

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// TestVisit reads each image once, tells of those that cannot be read, and ends when it is told to.
func TestVisit(t *testing.T) {
	src := faultySource{openSpec(t, "synthetic:n=20,size=8")}
	want := pictures(t, src.Dataset)
	for _, workers := range []int{0, 1, 7, 50} {
		var mu sync.Mutex
		seen := map[int]int{}
		err := Visit(t.Context(), src, workers, func(i int, s *pipeline.Sample, err error) {
			mu.Lock()
			defer mu.Unlock()
			seen[i]++
			switch {
			case i == 3 && (err == nil || err.Error() != "no such block"), i == 4 && (err == nil || err.Error() != "panic: a bug of the source"):
				t.Errorf("image %d: %v", i, err)
			case i != 3 && i != 4 && (err != nil || want[i] != picture{s.Label, s.Key, string(s.Bytes)}):
				t.Errorf("image %d is another, or %v", i, err)
			}
		})
		if err != nil || len(seen) != 20 {
			t.Errorf("%d workers: %v after %d images", workers, err, len(seen))
		}
		for i, n := range seen {
			if n != 1 {
				t.Errorf("%d workers: image %d came %d times", workers, i, n)
			}
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough, calls := errors.New("enough"), 0
	err := Visit(ctx, src, 1, func(i int, _ *pipeline.Sample, _ error) {
		if calls++; i == 7 {
			cancel(enough)
		}
	})
	if !errors.Is(err, enough) || calls != 8 {
		t.Errorf("stopped: %v after %d images", err, calls)
	}
}

// lostSource fails as a whole at image 5.
type lostSource struct{ Dataset }

func (d lostSource) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	if i == 5 {
		return &pipeline.SourceError{Err: errors.New("the store is gone")}
	}
	return d.Dataset.Read(ctx, i, s)
}

// TestLostSource: nothing is said of an image when the source fails as a whole, and an ingest ends without taking one for bad.
func TestLostSource(t *testing.T) {
	src := lostSource{tarDataset(t, manyMembers(24, 8))}
	err := Visit(t.Context(), src, 3, func(i int, _ *pipeline.Sample, err error) {
		if err != nil {
			t.Errorf("image %d: %v", i, err)
		}
	})
	if err == nil || err.Error() != "the store is gone" {
		t.Errorf("visit: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "shards")
	_, err = Ingest(t.Context(), src, dir, IngestOptions{Check: accept, MaxBad: 1, Workers: 3})
	if err == nil || !strings.Contains(err.Error(), "the store is gone") {
		t.Errorf("ingest: %v", err)
	}
	if _, err := Ingest(t.Context(), src.Dataset, dir, IngestOptions{Check: accept}); err != nil { // and it can go on
		t.Error(err)
	}
}

// TestLostWhileSampled: how many shards there will be is not told from images that happened to be readable, or parts would disagree.
func TestLostWhileSampled(t *testing.T) {
	var lost atomic.Bool
	src := flakySource{tarDataset(t, manyMembers(24, 0)), func(i int) error {
		if i == 5 && lost.CompareAndSwap(false, true) {
			return &pipeline.SourceError{Err: errors.New("the store is away")}
		}
		return nil
	}}
	_, err := Ingest(t.Context(), src, filepath.Join(t.TempDir(), "shards"), IngestOptions{Check: accept})
	if err == nil || !strings.Contains(err.Error(), "the store is away") {
		t.Errorf("error %v", err)
	}
}

// awaySource is of a store that is away: the first read says so, and the others would wait for long.
type awaySource struct {
	Dataset
	reads *atomic.Int32
}

func (d awaySource) Read(ctx context.Context, _ int, _ *pipeline.Sample) error {
	if d.reads.Add(1) > 1 {
		<-ctx.Done()
	}
	return &pipeline.SourceError{Err: errors.Join(errors.New("the store is away"), ctx.Err())}
}

func (d awaySource) describe(i int, s *pipeline.Sample) error {
	return d.Dataset.(describer).describe(i, s)
}

// TestAwayWhileSampled: the first read that gives up ends an ingest, it does not wait until all do.
func TestAwayWhileSampled(t *testing.T) {
	src := awaySource{tarDataset(t, manyMembers(24, 0)), new(atomic.Int32)}
	_, err := Ingest(t.Context(), src, filepath.Join(t.TempDir(), "shards"), IngestOptions{Check: accept, Workers: 2})
	if err == nil || !strings.Contains(err.Error(), "the store is away") {
		t.Errorf("error %v", err)
	}
}

// TestEmptyImage: an image of no bytes is another thing than none.
func TestEmptyImage(t *testing.T) {
	src := openSpec(t, writeTemp(t, "", "x.tar", tarBytes(t, []picture{{key: "a.jpg"}})))
	if err := Visit(t.Context(), src, 1, func(_ int, s *pipeline.Sample, err error) {
		if err != nil || s.Bytes == nil || len(s.Bytes) != 0 {
			t.Errorf("%v, %v", s.Bytes, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	list := members("a/1.jpg", "a/2.jpg", "b/2.jpg", "b/3.jpg", "c/2.jpg", "d/2.jpg", "a/1.jpg")
	d := tarDataset(t, list)
	for key, want := range map[string][]int{"a/1.jpg": {0, 6}, "b/3.jpg": {3}} {
		if got, err := Find(t.Context(), d, key); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", key, got, err)
		}
	}
	for key, says := range map[string]string{"2.jpg": "did you mean a/2.jpg or b/2.jpg or c/2.jpg?", "x/4.jpg": "'#0'"} {
		if got, err := Find(t.Context(), d, key); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v", key, got, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Find(ctx, d, "a/1.jpg"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestSizer: shards tell the sizes that they were stored with.
func TestSizer(t *testing.T) {
	dir := makeShards(t)
	d := openSpec(t, dir)
	for i := range d.Len() {
		if w, h, err := d.(Sizer).Size(i); w != 8 || h != 9 || err != nil {
			t.Errorf("image %d: %d x %d, %v", i, w, h, err)
		}
	}
}
