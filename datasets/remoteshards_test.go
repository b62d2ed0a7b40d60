package datasets

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

func init() {
	RegisterScheme("disk", func(_ context.Context, url string) (Bucket, error) {
		return &diskBucket{localBucket{strings.TrimPrefix(url, "disk://")}}, nil
	})
}

// A diskBucket is a folder as a store has it, which counts what is opened.
type diskBucket struct{ localBucket }

var opened = struct {
	sync.Mutex
	names map[string]int
}{names: map[string]int{}}

func (b *diskBucket) Open(ctx context.Context, name string) (Object, error) {
	if info, err := os.Stat(filepath.Join(b.dir, name)); err == nil && info.IsDir() {
		return nil, fs.ErrNotExist
	}
	o, err := b.localBucket.Open(ctx, name)
	if err == nil {
		opened.Lock()
		defer opened.Unlock()
		opened.names[name]++
	}
	return o, err
}

// openRemoteTest opens shards as those of a store, with an empty count.
func openRemoteTest(t *testing.T, dir string, o Options) Dataset {
	t.Helper()
	opened.names = map[string]int{}
	d, err := Open(t.Context(), "disk://"+dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// shardFiles are the sizes of the shards of a folder.
func shardFiles(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	m, err := readManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]int64{}
	for _, s := range m.Shards {
		files[s.File] = s.Bytes
	}
	return files
}

// TestRemoteShards reads shards of a store: they hold what they do on the disk, and each is fetched once for all datasets.
func TestRemoteShards(t *testing.T) {
	dir := makeShards(t)
	local := openSpec(t, dir)
	o := Options{CacheDir: t.TempDir()}
	for round := range 2 {
		d := openRemoteTest(t, dir, o)
		if d.Fingerprint() != local.Fingerprint() || !slices.Equal(d.Classes(), local.Classes()) {
			t.Error("another fingerprint, or other classes")
		}
		size := int64(0)
		for _, bytes := range shardFiles(t, dir) {
			size += bytes
		}
		if need, limit := d.(Cacher).Cache(); need != size || limit != defaultCache {
			t.Errorf("it needs %d bytes of a cache of %d, the shards have %d", need, limit, size)
		}
		if len(opened.names) != 1 {
			t.Errorf("to open it, %v were read", opened.names)
		}
		if got := pictures(t, d); !slices.Equal(got, pictures(t, local)) {
			t.Errorf("other images: %s", outline(got))
		}
		delete(opened.names, manifestName)
		for name := range shardFiles(t, dir) {
			if opened.names[name] != 1-round {
				t.Errorf("round %d: %s was read %d times", round, name, opened.names[name])
			}
		}
	}
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	d := openRemoteTest(t, dir, o)
	if err := describe(t.Context(), d, 3, s); err != nil || s.Key != pictures(t, local)[3].key {
		t.Errorf("described as %q, %v", s.Key, err)
	}
}

// TestRemoteSplit opens the split of an ingest with -split by "#".
func TestRemoteSplit(t *testing.T) {
	dir := makeShards(t)
	above := filepath.Dir(dir)
	if err := os.Rename(dir, filepath.Join(above, "train")); err != nil {
		t.Fatal(err)
	}
	if d := openRemoteTest(t, above+"#train", Options{CacheDir: t.TempDir()}); d.Len() != openSpec(t, above+"/train").Len() {
		t.Errorf("%d images", d.Len())
	}
	_, err := Open(t.Context(), "disk://"+above+"/train#test", Options{})
	if err == nil || !strings.Contains(err.Error(), "no splits") {
		t.Error(err)
	}
}

// TestRemoteShardsInSmallCache reads by many goroutines through a cache with room for little more than two shards: what was read stays as it was
// while shards come and go.
func TestRemoteShardsInSmallCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shards")
	if _, err := Ingest(t.Context(), tarDataset(t, manyMembers(150, 8)), dir, IngestOptions{Check: accept, ShardBytes: 9 << 10}); err != nil {
		t.Fatal(err)
	}
	want := pictures(t, openSpec(t, dir))
	files := shardFiles(t, dir)
	largest := slices.Max(slices.Collect(maps.Values(files)))
	o := Options{CacheDir: t.TempDir(), CacheBytes: 2*largest + 1}
	d := openRemoteTest(t, dir, o).(*remoteShards)
	if len(files) < 6 {
		t.Fatalf("%d shards", len(files))
	}
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			last, s := pipeline.NewSample(t.Context(), pipeline.Key{}), pipeline.NewSample(t.Context(), pipeline.Key{})
			key := ""
			for k := range 2 * len(want) {
				i := (k*(37+w) + w) % len(want)
				if k%20 == 0 {
					d.Prefetch(t.Context(), []int{i, (i + 70) % len(want)})
				}
				if err := d.Read(t.Context(), i, s); err != nil {
					t.Error(err)
					return
				}
				if want[i] != (picture{s.Label, s.Key, string(s.Bytes)}) {
					t.Errorf("image %d is another", i)
				}
				if n := slices.IndexFunc(want, func(p picture) bool { return p.key == key }); n >= 0 && string(last.Bytes) != want[n].bytes {
					t.Errorf("the bytes of image %d have changed", n)
				}
				last, s, key = s, last, s.Key
			}
		})
	}
	workers.Wait()
	if d.mapped.size > d.mapped.limit && len(d.mapped.open) > 0 {
		t.Errorf("%d bytes are mapped, more than %d, though none is in use", d.mapped.size, d.mapped.limit)
	}
	if n := opened.names["shard-00000.arrow"]; n < 2 {
		t.Errorf("the first shard was read %d times: the cache was not small", n)
	}
}

// TestPrefetch fetches what is announced, so that reading finds it.
func TestPrefetch(t *testing.T) {
	dir := makeShards(t)
	d := openRemoteTest(t, dir, Options{CacheDir: t.TempDir()})
	d.(pipeline.Prefetcher).Prefetch(t.Context(), []int{0, d.Len() - 1, 1, d.Len() - 1})
	want := map[string]int{manifestName: 1, "shard-00000.arrow": 1}
	want[slices.Max(slices.Collect(maps.Keys(shardFiles(t, dir))))] = 1
	if !maps.Equal(opened.names, want) {
		t.Errorf("%v were read, want %v", opened.names, want)
	}
}

// TestLostShard makes sure that a shard that is gone or wrong is an error of the source that names it, and that no image is to blame.
func TestLostShard(t *testing.T) {
	for name, x := range map[string]struct {
		spoil func(file string) error
		say   string
	}{
		"gone":  {os.Remove, "no such file"},
		"short": {func(file string) error { return os.Truncate(file, 100) }, "100 bytes, the manifest says"},
		"other": {func(file string) error {
			b, err := os.ReadFile(file)
			b[len(b)/2] ^= 1
			return errors.Join(err, os.WriteFile(file, b, 0o644))
		}, "SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := makeShards(t)
			d := openRemoteTest(t, dir, Options{CacheDir: t.TempDir()})
			if err := x.spoil(filepath.Join(dir, "shard-00001.arrow")); err != nil {
				t.Fatal(err)
			}
			s := pipeline.NewSample(t.Context(), pipeline.Key{})
			if err := d.Read(t.Context(), 0, s); err != nil {
				t.Error(err)
			}
			err := d.Read(t.Context(), d.Len()-1, s)
			if !failsWhole(err) || !strings.Contains(err.Error(), x.say) || !strings.Contains(err.Error(), "shard-00001.arrow") ||
				!strings.Contains(err.Error(), "disk://") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestDamagedRemoteManifest: a damaged manifest of a store is told.
func TestDamagedRemoteManifest(t *testing.T) {
	dir := makeShards(t)
	if err := os.Truncate(filepath.Join(dir, manifestName), 20); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), "disk://"+dir, Options{})
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
}
