package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

const help = `
ingest writes images as shards: files that training reads at random without unpacking, with a checksum on each image.

  ingest -in SRC -out DIR    decode every image once, set bad ones aside, write the others to the new folder DIR
  ingest merge -out DIR PART...  put together what ingests with -part have written, on one machine or many
  ingest verify DIR          read all of DIR again and find any bit that changed
  ingest stat SRC            count: classes, sizes, formats, bytes, duplicates
  ingest near SRC            images that look nearly the same, in groups
  ingest cat SRC KEY         one image, as it is stored
  ingest look QUARANTINE     bad images, of shards or of a training: list, show, extract, try again

SRC is one of
  photos/                    a folder laid out as class/name or split/class/name; a flat folder has no labels
  photos.tar                 an archive laid out in the same way; .tar.gz and .tar.zst too
  'photos/*.tar'             several archives, or a folder of them; quote the name, so that the shell leaves it as it is
  'train-{000..123}.tar'     the same by number; in WebDataset archives, 0001.cls or 0001.json is the label of 0001.jpg.
                             Where each has a 0001.jpg, the archive's name comes before it: train-000/0001.jpg
  cifar-10-binary.tar.gz     CIFAR-10 or CIFAR-100, binary version, packed or unpacked
  stl10_binary.tar.gz        STL-10, packed or unpacked; "#unlabeled" or "#train+unlabeled" for its images without labels
  photos.parquet             a table of images as Hugging Face lays it out, or a folder of them; "#train:img" names a column
  photos.csv                 a list of paths and labels: CSV, TSV or lines of JSON; paths may be URLs
  shards/                    shards, to write them anew
  synthetic                  the procedural set; synthetic:n=20000,size=96,seed=7
  s3://bucket/photos/        any of these in a store; gs:// and azblob:// too
and "#train" or "#test" after it where it has splits.

Every image is checked as a training would decode it. With -check header, for images that are known to be good, only its header and
end are looked at: a training sets aside what does not decode, and "ingest verify -decode" finds it.

Images go into shards as they are. With -max-side, those that are larger are re-encoded once, as smaller JPEGs: every
epoch then reads and decodes less. The manifest records it, and a run on such shards is another than one on the originals.

Each shard is a random sample of the images, by a hash of their names, whatever the source's form and order. Bad images go to
DIR/quarantine.arrow, each with the reason. DIR appears when it is complete: until then there is DIR.partial, and an ingest that
was stopped, in whatever way, goes on with it when it is run again.

Examples:
  ingest -in photos.tar -out shards
  ingest -in photos.tar -out shards-400 -max-side 400 -quality 85
  ingest -in cifar-10-binary.tar.gz#train -out cifar10-train -max-bad 0
  ingest verify shards

"ingest verify -h" and so on tell the flags of each.
`

func ingest(ctx context.Context, args []string) error {
	f := cli.NewFlags("ingest", help)
	in := f.String("in", "", "the images: `SRC` as above")
	out := f.String("out", "", "the `folder` to make for the shards")
	maxBad := f.Float64("max-bad", 0.01, "the `fraction` of images that may be bad before the run fails; with -part, of the images of that part")
	maxPixels := maxPixelsFlag(f)
	check := f.String("check", "full",
		"how images are checked: `full`, as a training decodes them, or header, of images that are known to be good")
	maxSide := f.Int("max-side", 0,
		"the longer side in `pixels` that larger images are re-encoded to (default: every image stays as it is)")
	quality := f.Int("quality", 90, "the JPEG `quality` of re-encoded images, 1 to 100")
	dedupe := f.Bool("dedupe", false, "leave out images whose bytes are those of another, and list them")
	split := f.String("split", "", "cut the images by a hash of their names: `train=0.9,val=0.1` makes DIR/train and DIR/val")
	part := f.String("part", "", "write part `i/n` of the shards, i from 1 to n: see ingest merge -h")
	workers := f.Int("workers", runtime.NumCPU(), "images decoded at once; the output does not depend on it")
	shardMB := f.Int("shard-mb", 256, "size of a shard in `MiB`, on average")
	source := sourceFlags(f)
	force := f.Bool("force", false, "replace DIR if it holds shards, and an unfinished DIR.partial of other images or flags")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return unexpected(f.Arg(0))
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
	case *check != "full" && *check != "header":
		return cli.Usagef("-check %s: it is full or header", *check)
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
	splits, err := parseSplits(*split)
	if err != nil {
		return err
	}
	o := datasets.IngestOptions{
		MaxBad:      *maxBad,
		Workers:     *workers,
		ShardBytes:  int64(*shardMB) << 20,
		Deduplicate: *dedupe,
		Replace:     *force,
	}
	o.Check, o.CheckName = checker(*check, *maxPixels)
	if o.Part, o.Parts, err = parsePart(*part); err != nil {
		return err
	}
	o.KeepComplete = o.Parts > 0 || len(splits) > 0 // jobs of an array are run again whole, and some splits may be complete
	if f.Given("max-side") {
		o.Reencode = &datasets.Reencoding{MaxSide: *maxSide, Quality: *quality,
			Encoder: stages.Decode{}.Fingerprint(), Shrink: stages.Shrink}
	}
	src, err := source.Open(ctx, *in)
	if err != nil {
		return err
	}
	defer src.Close()
	if len(splits) == 0 {
		return write(ctx, src, *out, o)
	}
	return writeSplits(ctx, src, splits, *out, o)
}

// What -max-side may be: below, no view is worth making of an image; above, no JPEG is that large.
const (
	smallestMaxSide = 32
	largestMaxSide  = 65500
)

// checker is the check of images by the flags, and a name for it where it is not the default.
func checker(check string, maxPixels int) (f func([]byte) (int, int, error), name string) {
	var flags []string
	f = func(b []byte) (int, int, error) { return stages.Check(b, maxPixels) }
	if check != "full" {
		f = func(b []byte) (int, int, error) { return stages.CheckHeader(b, maxPixels) }
		flags = append(flags, "-check "+check)
	}
	if maxPixels != stages.DefaultMaxPixels {
		flags = append(flags, fmt.Sprintf("-max-pixels %d", maxPixels))
	}
	return f, strings.Join(flags, " ")
}

// badLimit returns the error of a pixel limit that no image could be decoded under.
func badLimit(maxPixels int) error {
	_, err := stages.Decode{MaxPixels: maxPixels}.Shape(pipeline.Shape{})
	return err
}
