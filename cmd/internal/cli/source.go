package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/goclr/goclr/datasets"
)

// A Source is what the flags of a command say about how datasets are opened.
type Source struct {
	cacheDir string
	cacheGiB float64
	tempDir  string
}

// AddTo adds the flags that every command has which opens datasets.
func (s *Source) AddTo(f *Flags) {
	f.StringVar(&s.cacheDir, "cache-dir", "", "keep shards of a store, such as s3://bucket/shards, in this `folder` of the local disk (default goclr/shards in the user's cache)")
	f.Float64Var(&s.cacheGiB, "cache-limit", 20, "most `GiB` to keep there: room for all shards, or with a window for those of 24 of its blocks")
}

// AddTemp adds the flag -temp.
func (s *Source) AddTemp(f *Flags) {
	f.StringVar(&s.tempDir, "temp", "", "the `folder` that a compressed archive, one in a store, or a table is unpacked to while it is read (default that of the system)")
}

// Open opens a dataset.
func (s *Source) Open(ctx context.Context, spec string) (datasets.Dataset, error) {
	if !(s.cacheGiB > 0) {
		return nil, Usagef("-cache-limit %g: it must be above 0", s.cacheGiB)
	}
	line := NewLine(os.Stderr)
	defer line.Close()
	return datasets.Open(ctx, spec, datasets.Options{
		TempDir:    s.tempDir,
		CacheDir:   s.cacheDir,
		CacheBytes: int64(s.cacheGiB * (1 << 30)),
		Progress:   showOpening(spec, line, time.Now),
	})
}

// patience is how long opening may take before anything is said of it.
const patience = 2 * time.Second

// showOpening returns what shows how far the opening of a dataset is.
func showOpening(spec string, line *Line, now func() time.Time) func(datasets.Opening) {
	begin := now()
	return func(o datasets.Opening) {
		if now().Sub(begin) < patience {
			return
		}
		text := fmt.Sprintf("opening %s: %d images listed", spec, o.Images)
		if o.Bytes > 0 {
			text += fmt.Sprintf(", %d MiB unpacked or copied", o.Bytes>>20)
		}
		line.Show(text)
	}
}
