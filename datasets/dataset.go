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
	// covers every byte; for folders and tar archives, the names, labels and sizes of the images, since to read all of
	// them at each start would take too long.
	Fingerprint() string
	// Close releases files and memory. Nothing read from the Dataset may be used afterwards.
	Close() error
}

// Options says how Open works. The zero value is good.
type Options struct {
	// TempDir is the folder for what a compressed archive unpacks to, which is as large as the archive uncompressed. The
	// file has no name there, so nothing remains of it whatever happens. Default os.TempDir().
	TempDir string
}

// MaxImageBytes is the size above which an encoded image is refused: a row must fit into a record batch of a shard, and a
// file of that size among images is almost always a mistake.
const MaxImageBytes = 60 << 20

const specHelp = `a dataset is a folder of class folders, a .tar, .tar.gz or .tgz, a CIFAR binary archive, ` +
	`a shard folder, or the word "synthetic"`

// Open opens the dataset that spec names; the package comment lists the forms. It reads names and sizes, not images,
// except that a compressed archive is unpacked, which ctx can stop.
func Open(ctx context.Context, spec string, o Options) (Dataset, error) {
	if spec == "" {
		return nil, errors.New("no dataset named: " + specHelp)
	}
	if isSynthetic(spec) {
		return openSynthetic(spec)
	}
	path, split := splitSpec(spec)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		where, _ := filepath.Abs(path)
		return nil, fmt.Errorf("%s: no such file or folder (looked for %s); %s", path, where, specHelp)
	}
	if err != nil {
		return nil, fmt.Errorf("open dataset: %w", err)
	}
	lower := strings.ToLower(path)
	switch {
	case info.IsDir():
		return openDir(ctx, path, split)
	case strings.HasSuffix(lower, ".tar"):
		return openTar(ctx, path, split)
	case strings.HasSuffix(lower, ".tar.gz"), strings.HasSuffix(lower, ".tgz"):
		return openTarGz(ctx, path, split, o.TempDir)
	}
	return nil, fmt.Errorf("%s: unknown kind of dataset %q; %s", path, filepath.Ext(path), specHelp)
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
func openDir(ctx context.Context, dir, split string) (Dataset, error) {
	for _, sign := range []string{manifestName, "shard-00000.arrow"} {
		if _, err := os.Stat(filepath.Join(dir, sign)); err == nil {
			return openShards(ctx, dir, split)
		}
	}
	return openFolder(ctx, dir, split)
}
