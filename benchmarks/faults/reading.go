package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// Shards that are read through a cache with room for a third of them.
const (
	readShardBytes = 256 << 10
	readCacheBytes = 6 * readShardBytes
)

// killReading kills processes that read shards of a store through one cache.
func killReading(ctx context.Context, b *bench) ([]*row, error) {
	src, _, err := b.spoiledTar("cifar10-test.tar", 4000, 0)
	if err != nil {
		return nil, err
	}
	shards, cache := filepath.Join(b.work, "read-shards"), filepath.Join(b.work, "read-cache")
	sum, err := ingestSpec(ctx, src, shards, readShardBytes)
	if err != nil {
		return nil, err
	}
	r := newRow(fmt.Sprintf("SIGKILL of either of two processes that read %d shards of a store through one cache of %d KiB", sum.Shards, readCacheBytes>>10),
		"no image is ever another, the cache stays below its limit, and nothing half fetched is left over")
	random := b.random("reading")
	if err := killReaders(ctx, b, r, random, shards, cache); err != nil {
		return nil, err
	}
	want, _, err := contentOf(ctx, shards, datasets.Options{})
	if err != nil {
		return nil, err
	}
	slow(shards)
	got, bad, err := contentOf(ctx, "test://slow/", datasets.Options{CacheDir: cache, CacheBytes: readCacheBytes})
	if err != nil {
		return nil, err
	}
	r.compare(outcome{images: got}.from(outcome{images: want}))
	r.add("images read at the end", len(got))
	if len(bad) > 0 {
		r.fail("at the end %d images could not be read", len(bad))
	}
	size, names, err := cached(cache)
	if err != nil {
		return nil, err
	}
	if all := strings.Join(names, " "); size > readCacheBytes || strings.Contains(all, ".part") || strings.Contains(all, ".unsure") {
		r.fail("%d bytes are left in the cache: %s", size, all)
	}
	return []*row{r}, nil
}

// ingestSpec writes shards within this process.
func ingestSpec(ctx context.Context, spec, out string, shardBytes int64) (datasets.Summary, error) {
	d, err := datasets.Open(ctx, spec, datasets.Options{})
	if err != nil {
		return datasets.Summary{}, err
	}
	defer d.Close()
	return datasets.Ingest(ctx, d, out, datasets.IngestOptions{Check: check, MaxBad: 0.2, ShardBytes: shardBytes})
}

func check(b []byte) (w, h int, err error) { return stages.Check(b, 0) }

// killReaders has two processes read, and kills one of them at a time.
func killReaders(ctx context.Context, b *bench, r *row, random *rand.Rand, shards, cache string) error {
	var readers [2]*process
	defer func() {
		for _, p := range readers {
			if p != nil {
				p.kill()
			}
		}
	}()
	for n := 0; r.times < b.kills; n++ {
		for i, p := range readers {
			if p != nil {
				continue
			}
			p, err := start(ctx, b.self, childWord, "read", shards, cache, strconv.FormatUint(random.Uint64(), 10))
			if err != nil {
				return err
			}
			readers[i] = p
		}
		for wait := random.IntN(400); wait >= 0; wait -= 5 {
			size, names, err := cached(cache)
			if err != nil {
				return err
			}
			if size > readCacheBytes {
				r.fail("%d bytes are in the cache: %s", size, names)
			}
			time.Sleep(5 * time.Millisecond)
		}
		i := random.IntN(2)
		p := readers[i]
		readers[i] = nil
		killed := p.kill()
		if !killed {
			r.fail("a reader ended by itself: %s", p.err.String())
		}
		if n > 20*b.kills {
			return fmt.Errorf("readers do not begin: %s", p.err.String())
		}
		said := strings.Fields(p.out.String())
		if len(said) == 0 && killed {
			r.add("killed before the first image", 1)
		}
		r.tried()
		r.add("images read by those that were killed", len(said))
		_, names, err := cached(cache)
		if err != nil {
			return err
		}
		if strings.Contains(strings.Join(names, " "), ".part") {
			r.add("kills with a shard half fetched in the cache", 1)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// cached returns what a cache holds.
func cached(dir string) (size int64, names []string, err error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return 0, nil, nil
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.Contains(e.Name(), ".") { // it may go at any moment
			size += info.Size()
			names = append(names, e.Name())
		}
	}
	return size, names, err
}

// slow makes a folder the store test://slow/, whose objects take some milliseconds.
func slow(dir string) {
	buckets.Store("slow", &bucket{objects: os.DirFS(dir), reading: func(_ context.Context, _ string, _ int64, n int) error {
		time.Sleep(time.Duration(n) * 20 * time.Nanosecond)
		return nil
	}})
}

// readChild reads images at random through a cache until it is killed, and compares them with those of the folder. It says "." for each.
func readChild(ctx context.Context, shards, cache, seed string) error {
	n, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(n, 1))
	slow(shards)
	want, err := datasets.Open(ctx, shards, datasets.Options{})
	if err != nil {
		return err
	}
	got, err := datasets.Open(ctx, "test://slow/", datasets.Options{CacheDir: cache, CacheBytes: readCacheBytes})
	if err != nil {
		return err
	}
	s, expected := pipeline.NewSample(ctx, pipeline.Key{}), pipeline.NewSample(ctx, pipeline.Key{})
	for ; ; fmt.Println(".") {
		i := random.IntN(got.Len())
		if err := got.Read(ctx, i, s); err != nil {
			return err
		}
		if err := want.Read(ctx, i, expected); err != nil {
			return err
		}
		if s.Key != expected.Key || digest(s) != digest(expected) {
			return fmt.Errorf("%s is another image", s.Key)
		}
	}
}
