package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/sourcegraph/conc/pool"

	"github.com/goclr/goclr/datasets/internal/cache"
	"github.com/goclr/goclr/pipeline"
)

// remoteShards is a Dataset of shards in a store. A shard is fetched as a whole when an image of it is wanted, kept on the local disk, and
// mapped into memory from there. Images are copied, since the shard may go.
type remoteShards struct {
	bucket   Bucket
	folder   string // of the bucket; "": the bucket itself
	name     string
	repair   string // see shards
	manifest *manifest
	first    []int // row of each shard
	cache    *cache.Cache
	limit    int64 // of the cache
	mapped   mappedShards
}

const (
	mostManifest   = 1 << 30
	defaultCache   = 20 << 30
	fetchBytes     = 256 << 10 // that are read of a shard at once: they stay in the processor's cache until they are checked and written
	fetchesAtOnce  = 8         // of Prefetch
	mappedFraction = 2         // of the cache: so much of it may be in use without being needed
)

// remoteManifest returns the manifest of shards in a bucket, or in the folder of it that a split names. There is none where the bucket holds
// something else.
func remoteManifest(ctx context.Context, b Bucket, name, split string) (m *manifest, folder string, err error) {
	content, err := manifestIn(ctx, b, "")
	if errors.Is(err, fs.ErrNotExist) && split != "" {
		folder = split
		content, err = manifestIn(ctx, b, folder)
		split = ""
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	if m, err = decodeManifest(content); err != nil {
		return nil, "", err
	}
	return m, folder, m.checkWhole(name, split)
}

// manifestIn reads the manifest of a folder of a bucket.
func manifestIn(ctx context.Context, b Bucket, folder string) (content []byte, err error) {
	o, err := b.Open(ctx, path.Join(folder, manifestName))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	return readContent(ctx, o, manifestName, mostManifest)
}

// openRemoteShards opens shards in a folder of a bucket, which it owns. Nothing of them is fetched yet. The name is for messages.
func openRemoteShards(ctx context.Context, b Bucket, m *manifest, folder, name string, o Options) (Dataset, error) {
	d := &remoteShards{bucket: b, folder: folder, name: name, manifest: m}
	rows := 0
	for _, s := range m.Shards {
		d.first = append(d.first, rows)
		rows += s.Rows
	}
	var err error
	if d.cache, err = openCache(ctx, &o); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), b.Close())
	}
	d.repair = fmt.Sprintf("the disk does not keep what is written there: delete %s, or name another folder by -cache-dir", o.CacheDir)
	d.limit = o.CacheBytes
	d.mapped = mappedShards{open: map[int]*mappedShard{}, limit: o.CacheBytes / mappedFraction, load: d.load}
	return d, nil
}

// openCache opens the cache that the options name, whose defaults it fills in.
func openCache(ctx context.Context, o *Options) (*cache.Cache, error) {
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCache
	}
	if o.CacheDir == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("there is no place to keep shards: %w; name one by -cache-dir", err)
		}
		o.CacheDir = filepath.Join(dir, "goclr", "shards")
	}
	return cache.Open(ctx, cache.Options{Dir: o.CacheDir, Limit: o.CacheBytes})
}

// load maps shard i, fetched if need be.
func (d *remoteShards) load(ctx context.Context, i int) (*mappedShard, error) {
	info := d.manifest.Shards[i]
	name := path.Join(d.folder, info.File)
	file, err := d.cache.Get(ctx, cache.Object{
		ID:      fmt.Sprintf("%s (SHA-256 %s)", info.File, info.SHA256), // wherever it comes from
		Size:    info.Bytes,
		Check:   func(content io.Reader) error { return checkSum(content, info.SHA256) },
		Checked: true,
	}, func(ctx context.Context, w io.WriterAt) error { return fetchShard(ctx, d.bucket, name, info, w) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	content, err := mapOpen(file.Fd(), info.File, info.Bytes)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	m := &mappedShard{shards: &shards{manifest: d.manifest, repair: d.repair}, file: file, size: info.Bytes}
	if err := m.shards.add(i, content, d.first[i]); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

// checkSum compares content with a SHA-256.
func checkSum(content io.Reader, want string) error {
	h := sha256.New()
	if _, err := io.Copy(h, content); err != nil {
		return err
	}
	return compareSum(h, want)
}

// compareSum compares what was written to a hash with a SHA-256.
func compareSum(h hash.Hash, want string) error {
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("its SHA-256 is %s, the manifest says %s: copy it to the store again, with its manifest", got, want)
	}
	return nil
}

// fetchShard copies a shard, and checks it while it is in the processor's cache.
func fetchShard(ctx context.Context, b Bucket, name string, info shardInfo, w io.WriterAt) (err error) {
	o, err := b.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if o.Size() != info.Bytes {
		return fmt.Errorf("it has %d bytes, the manifest says %d: copy it to the store again, with its manifest", o.Size(), info.Bytes)
	}
	h := sha256.New()
	err = copyObject(ctx, o, info.Bytes, func(part []byte, at int64) error {
		h.Write(part)
		_, err := w.WriteAt(part, at)
		return err
	})
	if err != nil {
		return err
	}
	return compareSum(h, info.SHA256)
}

// copyObject hands on so many bytes of an object, part by part.
func copyObject(ctx context.Context, o Object, size int64, write func(part []byte, at int64) error) error {
	part := make([]byte, min(size, fetchBytes))
	for at := int64(0); at < size; at += int64(len(part)) {
		part = part[:min(size-at, fetchBytes)]
		if err := readFull(ctx, o, part, at); err != nil {
			return err
		}
		if err := write(part, at); err != nil {
			return err
		}
	}
	return nil
}

// shardOf returns the shard that holds a row.
func (d *remoteShards) shardOf(row int) int {
	i, exact := slices.BinarySearch(d.first, row)
	if !exact {
		i--
	}
	return i
}

// with calls use with the shard of row i while it is mapped.
func (d *remoteShards) with(ctx context.Context, i int, use func(*shards) error) error {
	m, err := d.mapped.acquire(ctx, d.shardOf(i))
	if err != nil {
		return &pipeline.SourceError{Err: err}
	}
	defer d.mapped.release(m)
	return use(m.shards)
}

// Len implements pipeline.Source.
func (d *remoteShards) Len() int { return d.manifest.Rows }

// Cache implements Cacher.
func (d *remoteShards) Cache() (need, limit int64) {
	for _, s := range d.manifest.Shards {
		need += s.Bytes
	}
	return need, d.limit
}

// Quarantined implements Quarantiner.
func (d *remoteShards) Quarantined() int { return d.manifest.quarantined() }

// Classes implements Dataset.
func (d *remoteShards) Classes() []string { return d.manifest.Classes }

// Fingerprint implements Dataset: it is that of the same shards on a disk.
func (d *remoteShards) Fingerprint() string { return d.manifest.fingerprint() }

// Read implements pipeline.Source.
func (d *remoteShards) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	return d.with(ctx, i, func(m *shards) error {
		return m.row(i, s, func(b *batch, row, classes int, s *pipeline.Sample) string {
			why := b.read(row, classes, s)
			if why == "" {
				copied := s.Buffer(len(s.Bytes))
				copy(copied, s.Bytes)
				s.Bytes = copied
			}
			return why
		})
	})
}

// describe implements describer.
func (d *remoteShards) describe(i int, s *pipeline.Sample) error {
	return d.with(s.Context(), i, func(m *shards) error { return m.describe(i, s) })
}

// Prefetch implements pipeline.Prefetcher: it fetches the shards of these images. What goes wrong is told by Read, which tries again.
func (d *remoteShards) Prefetch(ctx context.Context, ids []int) {
	wanted := map[int]bool{}
	fetches := pool.New().WithMaxGoroutines(fetchesAtOnce)
	for _, id := range ids {
		i := d.shardOf(id)
		if wanted[i] {
			continue
		}
		wanted[i] = true
		fetches.Go(func() {
			if m, err := d.mapped.acquire(ctx, i); err == nil {
				d.mapped.release(m)
			}
		})
	}
	fetches.Wait()
}

// Close implements Dataset.
func (d *remoteShards) Close() error { return errors.Join(d.mapped.close(), d.bucket.Close()) }
