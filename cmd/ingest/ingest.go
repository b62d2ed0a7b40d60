package main

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

const help = `
ingest writes images as shards: files that training reads at random without unpacking, with a checksum on each image.

  ingest -in SRC -out DIR    decode every image once, set bad ones aside, write the others to the new folder DIR
  ingest verify DIR          read all of DIR again and find any bit that changed

SRC is one of
  photos/                    a folder laid out as class/name or split/class/name; a flat folder has no labels
  photos.tar                 an archive laid out in the same way; .tar.gz and .tar.zst too
  'photos/*.tar'             several archives, or a folder of them; quote the name, so that the shell leaves it as it is
  'train-{000..123}.tar'     the same by number; in WebDataset archives, 0001.cls or 0001.json is the label of 0001.jpg
  cifar-10-binary.tar.gz     CIFAR-10 or CIFAR-100, binary version, packed or unpacked
  stl10_binary.tar.gz        STL-10, packed or unpacked; "#unlabeled" or "#train+unlabeled" for its images without labels
  photos.parquet             a table of images as Hugging Face lays it out, or a folder of them; "#train:img" names a column
  photos.csv                 a list of paths and labels: CSV, TSV or lines of JSON; paths may be URLs
  shards/                    shards, to write them anew
  synthetic                  the procedural set; synthetic:n=20000,size=96,seed=7
and "#train" or "#test" after it where it has splits.

Images go into shards as they are. With -max-side, those that are larger are re-encoded once, as smaller JPEGs: every
epoch then reads and decodes less. The manifest records it, and a run on such shards is another than one on the originals.

Bad images are copied to DIR/quarantine; DIR/quarantine.jsonl says why. DIR appears when it is complete.

Examples:
  ingest -in photos.tar -out shards
  ingest -in photos.tar -out shards-400 -max-side 400 -quality 85
  ingest -in cifar-10-binary.tar.gz#train -out cifar10-train -max-bad 0
  ingest verify shards
`

func run(ctx context.Context, args []string) error {
	f := cli.NewFlags("ingest", help)
	in := f.String("in", "", "the images: `SRC` as above")
	out := f.String("out", "", "the `folder` to make for the shards")
	maxBad := f.Float64("max-bad", 0.01, "the `fraction` of images that may be bad before the run fails")
	maxPixels := f.Int("max-pixels", stages.DefaultMaxPixels,
		"width times height above which an image is bad, before it takes memory")
	maxSide := f.Int("max-side", 0,
		"the longer side in `pixels` that larger images are re-encoded to (default: every image stays as it is)")
	quality := f.Int("quality", 90, "the JPEG `quality` of re-encoded images, 1 to 100")
	workers := f.Int("workers", runtime.NumCPU(), "images decoded at once; the output does not depend on it")
	shardMB := f.Int("shard-mb", 256, "size of a shard in `MiB`")
	tempDir := f.String("temp", os.TempDir(), "the `folder` that a compressed archive or a table is unpacked to while it is read")
	force := f.Bool("force", false, "replace DIR if it holds shards")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return subcommand(ctx, f)
	}
	switch {
	case *in == "":
		return cli.Usagef("-in is missing: which images?")
	case *out == "":
		return cli.Usagef("-out is missing: which folder for the shards?")
	case !(*maxBad >= 0 && *maxBad <= 1):
		return cli.Usagef("-max-bad %v: it is a fraction, from 0 to 1", *maxBad)
	case *maxPixels < 1:
		return cli.Usagef("-max-pixels %d: it must be at least 1", *maxPixels)
	case badLimit(*maxPixels) != nil:
		return cli.Usagef("-max-pixels %d: %v", *maxPixels, badLimit(*maxPixels))
	case f.Given("max-side") && (*maxSide < smallestMaxSide || *maxSide > largestMaxSide):
		return cli.Usagef("-max-side %d: it must be from %d to %d pixels; leave it out to keep every image as it is",
			*maxSide, smallestMaxSide, largestMaxSide)
	case f.Given("quality") && !f.Given("max-side"):
		return cli.Usagef("-quality %d is for re-encoded images: give -max-side too", *quality)
	case *quality < 1 || *quality > 100:
		return cli.Usagef("-quality %d: it must be from 1 to 100", *quality)
	case *workers < 1:
		return cli.Usagef("-workers %d: it must be at least 1", *workers)
	case *shardMB < 1:
		return cli.Usagef("-shard-mb %d: it must be at least 1", *shardMB)
	}
	o := datasets.IngestOptions{
		Check:         func(b []byte) (int, int, error) { return stages.Check(b, *maxPixels) },
		MaxBad:        *maxBad,
		Workers:       *workers,
		MaxShardBytes: int64(*shardMB) << 20,
		Replace:       *force,
	}
	if f.Given("max-side") {
		o.Reencode = &datasets.Reencoding{MaxSide: *maxSide, Quality: *quality,
			Encoder: stages.Decode{}.Fingerprint(), Shrink: stages.Shrink}
	}
	return ingest(ctx, *in, *out, *tempDir, o)
}

// What -max-side may be: below, no view is worth making of an image; above, no JPEG is that large.
const (
	smallestMaxSide = 32
	largestMaxSide  = 65500
)

// badLimit returns the error of a pixel limit that no image could be decoded under.
func badLimit(maxPixels int) error {
	_, err := stages.Decode{MaxPixels: maxPixels}.Shape(pipeline.Shape{})
	return err
}

func subcommand(ctx context.Context, f *cli.Flags) error {
	name := f.Arg(0)
	if name != "verify" {
		if near, ok := cli.Nearest(name, []string{"verify"}); ok {
			return cli.Usagef("unknown command %q; did you mean %q?", name, near)
		}
		return cli.Usagef("unexpected argument %q; the images go after -in, patterns in quotes", name)
	}
	if f.NArg() != 2 {
		return cli.Usagef("verify takes one folder of shards")
	}
	if f.NFlag() > 0 {
		return cli.Usagef("verify takes no flags")
	}
	return verify(ctx, f.Arg(1))
}

func ingest(ctx context.Context, in, out, tempDir string, o datasets.IngestOptions) (err error) {
	src, err := datasets.Open(ctx, in, datasets.Options{TempDir: tempDir})
	if err != nil {
		return err
	}
	defer src.Close()
	line := cli.NewLine(os.Stderr)
	defer line.Close()
	meter := cli.NewMeter("images", 0, src.Len())
	o.Progress = func(done, _, bad int) {
		text := meter.Text(done)
		if bad > 0 {
			text += fmt.Sprintf("  %d bad", bad)
		}
		line.Show(text)
	}
	sum, err := datasets.Ingest(ctx, src, out, o)
	if err != nil {
		return err
	}
	line.Close()
	fmt.Printf("%s: %d images of %d classes, %s in %d shards, %s\n", out, sum.Images, len(src.Classes()),
		size(sum.Bytes), sum.Shards, cli.FormatDuration(meter.Elapsed()))
	if r := sum.Reencoded; o.Reencode != nil {
		fmt.Printf("%d of them re-encoded to %d pixels, JPEG quality %d: %s -> %s\n", r.Images, o.Reencode.MaxSide,
			o.Reencode.Quality, size(r.BytesBefore), size(r.BytesAfter))
	}
	if sum.Bad > 0 {
		fmt.Printf("%d bad images are in %s/quarantine; %s/quarantine.jsonl says why\n", sum.Bad, out, out)
	}
	return nil
}

func verify(ctx context.Context, dir string) error {
	line := cli.NewLine(os.Stderr)
	defer line.Close()
	meter := cli.NewMeter("MB", 0, 0)
	report, err := datasets.Verify(ctx, dir, func(done, total int64) {
		meter.SetTotal(int(total / 1e6))
		line.Show(meter.Text(int(done / 1e6)))
	})
	if err != nil {
		return err
	}
	line.Close()
	fmt.Printf("%s: good: %d images in %d shards, %s read, every checksum matches\n", dir, report.Images, report.Shards,
		size(report.Bytes))
	if report.Quarantined > 0 {
		fmt.Printf("%d bad images are in its quarantine\n", report.Quarantined)
	}
	return nil
}

// size writes a number of bytes in the unit that suits it.
func size(n int64) string {
	switch {
	case n < 1e3:
		return fmt.Sprintf("%d bytes", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
