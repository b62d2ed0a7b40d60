package datasets

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// A gatheringBucket does not answer before so many ask at once.
type gatheringBucket struct {
	memoryBucket

	mu      sync.Mutex
	missing int           // until it answers
	all     chan struct{} // closed when none is missing
}

func (b *gatheringBucket) gather(together int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.missing, b.all = together, make(chan struct{})
}

// openGathering opens a dataset of a bucket that does not wait yet.
func openGathering(t *testing.T, content memoryBucket) (Dataset, *gatheringBucket) {
	t.Helper()
	b := &gatheringBucket{memoryBucket: content, missing: -1}
	d, err := openFolder(t.Context(), b, "", "", Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, b
}

func (b *gatheringBucket) Open(ctx context.Context, name string) (Object, error) {
	b.mu.Lock()
	b.missing--
	all, wait := b.all, b.missing > 0
	if b.missing == 0 {
		close(all)
	}
	b.mu.Unlock()
	if wait {
		select {
		case <-all:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return b.memoryBucket.Open(ctx, name)
}

// A crowd counts who is in it.
type crowd struct{ now, most atomic.Int64 }

func (c *crowd) enter() (leave func()) {
	now := c.now.Add(1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	return func() { c.now.Add(-1) }
}

// TestStoreIsReadAhead: many images of a store are read at once, by two workers that look at two at once, and come to the same.
func TestStoreIsReadAhead(t *testing.T) {
	const images, together = 400, 40
	list := manyMembers(images, 20)
	content := memoryBucket{}
	for _, p := range list {
		content[p.key] = []byte(p.bytes)
	}
	whole := filepath.Join(t.TempDir(), "shards")
	want, err := Ingest(t.Context(), tarDataset(t, list), whole, IngestOptions{Check: refuse, MaxBad: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	d, b := openGathering(t, content)
	subset, err := SplitByKey(t.Context(), d, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]Dataset{"folder": d, "split": subset} {
		var checks crowd
		dir := filepath.Join(t.TempDir(), "shards")
		b.gather(together)
		got, err := Ingest(t.Context(), d, dir, IngestOptions{MaxBad: 0.1, Workers: 2, Check: func(image []byte) (int, int, error) {
			defer checks.enter()()
			return refuse(image)
		}})
		if err != nil || got != want || openSpec(t, dir).Fingerprint() != openSpec(t, whole).Fingerprint() {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
		if n := checks.most.Load(); n > 2 {
			t.Errorf("%s: two workers looked at %d images at once", name, n)
		}
		var visits crowd
		var seen atomic.Int64
		b.gather(together)
		err = Visit(t.Context(), d, 2, func(_ int, _ *pipeline.Sample, err error) {
			defer visits.enter()()
			if err == nil {
				seen.Add(1)
			}
		})
		if err != nil || seen.Load() != images || visits.most.Load() > 2 {
			t.Errorf("%s: visited %d images, %d at once, %v", name, seen.Load(), visits.most.Load(), err)
		}
	}
}

// TestReadingOfAStoreStops: an ingest of images that do not come ends with its context.
func TestReadingOfAStoreStops(t *testing.T) {
	d, b := openGathering(t, memoryBucket{"a.jpg": []byte(tinyImage(1))})
	b.gather(2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Ingest(ctx, d, filepath.Join(t.TempDir(), "shards"), IngestOptions{Check: accept}); !errors.Is(err, context.Canceled) {
		t.Errorf("ingest: %v", err)
	}
	if err := Visit(ctx, d, 1, func(int, *pipeline.Sample, error) { t.Error("visited") }); !errors.Is(err, context.Canceled) {
		t.Errorf("visit: %v", err)
	}
}

// hugeImages is a Dataset of a store with images as large as they may be.
type hugeImages struct{ Dataset }

func (hugeImages) isDistant() bool                { return true }
func (hugeImages) storedSize(i int) (int64, bool) { return MaxImageBytes, i != 0 }

// TestReadingFitsIntoMemory: images wait for their turn where those that are read take all the memory they may.
func TestReadingFitsIntoMemory(t *testing.T) {
	r := newReading(hugeImages{}, 2)
	var ends []func()
	for i := range 5 { // the first is of unknown size, and taken for a small one
		end, err := r.begin(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.begin(cancelled, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("more than fits: %v", err)
	}
	ends[4]()
	if _, err := r.begin(t.Context(), 5); err != nil {
		t.Error(err)
	}
}

// largeImages is a Dataset of a store whose every fifteenth image is larger than what a sample keeps.
type largeImages struct {
	Dataset
	kept *atomic.Int64 // the most that a sample came with
}

func (largeImages) isDistant() bool { return true }

func (d largeImages) describe(i int, s *pipeline.Sample) error {
	return d.Dataset.(describer).describe(i, s)
}

func (d largeImages) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	kept := int64(cap(s.Buffer(0)))
	for most := d.kept.Load(); kept > most && !d.kept.CompareAndSwap(most, kept); most = d.kept.Load() {
	}
	if err := d.Dataset.Read(ctx, i, s); err != nil || i%15 != 0 {
		return err
	}
	image := s.Bytes
	s.Bytes = s.Buffer(farBytes/farReads + 1)
	copy(s.Bytes, image)
	return nil
}

// TestLargeImagesAreNotKept: what many images are read into does not stay as large as the largest of them, and visits of two workers decode into two
// samples.
func TestLargeImagesAreNotKept(t *testing.T) {
	const images = 150
	d := largeImages{tarDataset(t, manyMembers(images, 0)), new(atomic.Int64)}
	var mu sync.Mutex
	visits, samples := 0, map[*pipeline.Sample]bool{}
	err := Visit(t.Context(), d, 2, func(i int, s *pipeline.Sample, err error) {
		mu.Lock()
		defer mu.Unlock()
		visits++
		samples[s] = true
		if large := len(s.Bytes) > farBytes/farReads; err != nil || s.ID != uint64(i) || large != (i%15 == 0) {
			t.Errorf("image %d: %d bytes of image %d, %v", i, len(s.Bytes), s.ID, err)
		}
	})
	if err != nil || visits != images || len(samples) > 2 {
		t.Errorf("%d visits, to %d samples, %v", visits, len(samples), err)
	}
	if _, err := Ingest(t.Context(), d, filepath.Join(t.TempDir(), "shards"), IngestOptions{Check: accept, Workers: 2}); err != nil {
		t.Error(err)
	}
	if kept := d.kept.Load(); kept > farBytes/farReads {
		t.Errorf("a sample kept %d bytes", kept)
	}
}
