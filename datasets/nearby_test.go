package datasets

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// A brokenObject counts its reads, and fails those that reach a place.
type brokenObject struct {
	Object
	reads *atomic.Int64
	at    int64
	err   error
}

func (o *brokenObject) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	o.reads.Add(1)
	if offset <= o.at && o.at < offset+int64(len(p)) {
		return 0, o.err
	}
	return o.Object.ReadAt(ctx, p, offset)
}

type brokenBucket struct {
	memoryBucket
	reads atomic.Int64
	at    int64
	err   error
}

func (b *brokenBucket) Open(ctx context.Context, name string) (Object, error) {
	o, err := b.memoryBucket.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return &brokenObject{o, &b.reads, b.at, b.err}, nil
}

// TestNearby opens an archive of a store: it is fetched by few requests, and reading images takes none.
func TestNearby(t *testing.T) {
	list := manyMembers(300, 0)
	list[7].bytes = strings.Repeat("large", 2*nearbyBytes/5) // over several parts
	content := memoryBucket{"x.tar": tarBytes(t, list)}
	b := &brokenBucket{memoryBucket: content, at: -1}
	var told Opening
	o := Options{TempDir: t.TempDir(), Progress: func(o Opening) { told = o }}.metered()
	d, err := openArchives(t.Context(), b, []string{"x.tar"}, "", o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if want := (Opening{Bytes: int64(len(content["x.tar"]))}); told != want {
		t.Errorf("told of %+v, want %+v", told, want)
	}
	if n := b.reads.Load(); n > 8 {
		t.Errorf("%d requests for an archive of %d bytes", n, len(content["x.tar"]))
	}
	b.reads.Store(0)
	if got := pictures(t, d); !slices.Equal(got, pictures(t, tarDataset(t, list))) || b.reads.Load() != 0 {
		t.Errorf("other images, or %d requests for them", b.reads.Load())
	}
}

// TestNearbyErrors: an archive of which a part is not to be had is read image by image, so that others are not lost; an error of the store, or of
// the disk, ends it.
func TestNearbyErrors(t *testing.T) {
	list := manyMembers(300, 0)
	list[200].bytes = strings.Repeat("large", nearbyBytes/5) // so that listing skips the middle of it
	content := memoryBucket{"x.tar": tarBytes(t, list)}
	at := int64(bytes.Index(content["x.tar"], []byte(list[200].bytes)) + nearbyBytes/2)
	lost := errors.New("this sector cannot be read")
	b := &brokenBucket{memoryBucket: content, at: at, err: lost}
	temp := t.TempDir()
	open := func(temp string) (Dataset, error) {
		return openArchives(t.Context(), b, []string{"x.tar"}, "", Options{TempDir: temp})
	}
	d, err := open(temp)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	failed := 0
	if err := Visit(t.Context(), d, 2, func(_ int, s *pipeline.Sample, err error) {
		if err == nil {
			return
		}
		if failed++; !errors.Is(err, lost) {
			t.Errorf("%s: %v", s.Key, err)
		}
	}); err != nil || failed != 1 {
		t.Errorf("%d images failed, %v", failed, err)
	}
	b.err = &pipeline.SourceError{Err: errors.New("the store is away")}
	if _, err := open(temp); err == nil || !strings.Contains(err.Error(), "the store is away") {
		t.Errorf("error %v", err)
	}
	if _, err := open(filepath.Join(temp, "nothing")); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("without a place for the copy: %v", err)
	}
}
