package datasets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goclr/goclr/pipeline"
)

// A Dataset is a pipeline.Source with names for its labels. Like every Source it is used by many goroutines at once.
type Dataset interface {
	pipeline.Source
	// Classes returns the names of the labels: label i is Classes()[i]. It is empty for images without labels, which have
	// label -1. The slice belongs to the Dataset.
	Classes() []string
	// Fingerprint names the content, see pipeline.Fingerprinter. For shards, CIFAR archives and the procedural set it
	// covers every byte; for folders, tar archives and tables, the names, labels and sizes of the images, since to read all of
	// them at each start would take too long; for lists, the names and labels; for STL-10, the labels and the number of images.
	Fingerprint() string
	// Close releases files and memory. Nothing read from the Dataset may be used afterwards.
	Close() error
}

// A Cacher is a Dataset that keeps what it fetches from a store on the local disk.
type Cacher interface {
	// Cache returns the bytes that all of it needs there, and how many it may keep, see Options.CacheBytes. Where it needs more, whoever
	// shuffles all images among each other fetches again and again.
	Cache() (need, limit int64)
}

// A Quarantiner is a Dataset whose maker has set bad images aside, as Ingest does.
type Quarantiner interface {
	// Quarantined is their number; Len does not count them.
	Quarantined() int
}

// Options says how Open works. The zero value is good.
type Options struct {
	// TempDir is the folder for what a compressed archive unpacks to, which is as large as the archive uncompressed, for a copy of an archive
	// in a store, and for the images of a table. The file has no name there, so nothing remains of it whatever happens. Default os.TempDir().
	TempDir string
	// CacheDir is the folder on the local disk where shards of a store are kept while they are read and after it, for any number of
	// processes at once. Default goclr/shards in os.UserCacheDir().
	CacheDir string
	// CacheBytes is how much may be kept there. Whoever shuffles all images among each other needs room for all shards, or they are fetched
	// again and again; see pipeline.Options.Window. Default 20 GiB.
	CacheBytes int64
	// Progress is called now and then while Open lists images, unpacks archives and copies those of a store, which may take minutes where there
	// are millions; from one goroutine at a time. Default none.
	Progress func(Opening)

	// keep tells which images will be read at all, as of a part of an ingest: where images are unpacked, the bytes of others are left out. All are
	// listed, whatever it says. Default: all.
	keep  func(key string) bool
	meter *openMeter // of Progress
}

// MaxImageBytes is the size above which an encoded image is refused: a row must fit into a record batch of a shard, and a
// file of that size among images is almost always a mistake.
const MaxImageBytes = 60 << 20

const specHelp = `a dataset is a folder of class folders, a .tar, .tar.gz or .tar.zst, several of them ("photos/*.tar", "x-{00..12}.tar"), ` +
	`WebDataset archives, the binary form of CIFAR or STL-10, ` +
	`a Parquet file or a folder of them, a list of paths and labels (.csv, .tsv, .jsonl), a shard folder, any of these as a URL such as s3://bucket/photos, or the word "synthetic"`

// Open opens the dataset that spec names; the package comment lists the forms. It reads names and sizes, not images,
// except that a compressed archive and the images of a table are unpacked, which ctx can stop.
func Open(ctx context.Context, spec string, o Options) (Dataset, error) {
	if spec == "" {
		return nil, errors.New("no dataset named: " + specHelp)
	}
	if isSynthetic(spec) {
		return openSynthetic(spec)
	}
	o = o.metered()
	name, split := splitSpec(spec)
	if _, err := os.Stat(name); err != nil && isPattern(name) {
		return openPattern(ctx, name, split, o)
	}
	if isRemote(name) {
		return openRemote(ctx, name, split, o)
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		where, _ := filepath.Abs(name)
		return nil, fmt.Errorf("%s: no such file or folder (looked for %s); %s", name, where, specHelp)
	}
	if err != nil {
		return nil, fmt.Errorf("open dataset: %w", err)
	}
	if info.IsDir() {
		return openDir(ctx, name, split, o)
	}
	return openArchive(ctx, localBucket{filepath.Dir(name)}, filepath.Base(name), name, split, o)
}

// openRemote opens an object of a store, or what lies below it.
func openRemote(ctx context.Context, name, split string, o Options) (Dataset, error) {
	if folder, base := splitURL(name); folder != "" {
		b, err := openURL(ctx, folder)
		if err != nil {
			return nil, err
		}
		there, err := exists(ctx, b, base)
		if there {
			return openArchive(ctx, b, base, name, split, o)
		}
		if err := errors.Join(err, b.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	b, err := openURL(ctx, name)
	if err != nil {
		return nil, err
	}
	m, folder, err := remoteManifest(ctx, b, name, split)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), b.Close())
	}
	if m != nil {
		return openRemoteShards(ctx, b, m, folder, name, o)
	}
	d, err := openFolder(ctx, b, name, split, o)
	if errors.Is(err, errNoImages) {
		return nil, fmt.Errorf("%s: no such object, and none below it; %s", name, specHelp)
	}
	return d, err
}

// openArchive opens an object of a bucket, which it owns, by what the object begins with. The name is for messages.
func openArchive(ctx context.Context, b Bucket, object, name, split string, o Options) (Dataset, error) {
	archive, kind, err := openUnpacked(ctx, b, object, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), b.Close())
	}
	switch kind {
	case kindTar:
		return openTar(ctx, b, archive, name, split, o)
	case kindParquet:
		return openTable(ctx, b, archive, object, name, split, o)
	case kindList:
		return openList(ctx, b, archive, name, split, o)
	}
	return nil, errors.Join(fmt.Errorf("%s: unknown kind of dataset %q; %s", name, filepath.Ext(object), specHelp), archive.Close(), b.Close())
}

// splitSpec takes "path#split" apart. A path that exists as it stands has no split, even with a # in its name.
func splitSpec(spec string) (path, split string) {
	if _, err := os.Stat(spec); err == nil {
		return spec, ""
	}
	if i := strings.LastIndexByte(spec, '#'); i > 0 {
		return spec[:i], spec[i+1:]
	}
	return spec, ""
}

// openDir finds out what a folder holds: it is one of shards if it has a manifest, or a shard whose manifest is gone.
func openDir(ctx context.Context, dir, split string, o Options) (Dataset, error) {
	if splits, err := shardSplits(dir); err != nil || len(splits) > 0 {
		if err == nil {
			split, err = chooseSplit(splits, split)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		return openShards(ctx, filepath.Join(dir, split), "")
	}
	for _, sign := range []string{manifestName, "shard-00000.arrow"} {
		if _, err := os.Stat(filepath.Join(dir, sign)); err == nil {
			return openShards(ctx, dir, split)
		}
	}
	return openFolder(ctx, localBucket{dir}, dir, split, o)
}

// shardSplits are the folders of shards in a folder, which are splits if it holds nothing else.
func shardSplits(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var splits []string
	for _, e := range entries {
		if isHidden(e.Name()) {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, e.Name(), manifestName)); err != nil {
			return nil, nil
		}
		splits = append(splits, e.Name())
	}
	return splits, nil
}
