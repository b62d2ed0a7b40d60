package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
)

// write writes the shards, showing how far it is, and says what came of it.
func write(ctx context.Context, src datasets.Dataset, out string, o datasets.IngestOptions) error {
	line := cli.NewLine(os.Stderr)
	defer line.Close()
	var meter *cli.Meter
	o.Progress = func(p datasets.IngestProgress) {
		if p.Doing != "" {
			line.Show(doing(p))
			return
		}
		if meter == nil {
			meter = cli.NewMeter("images", p.Done-1, p.Total) // what was there before is no speed
		}
		line.Show(progress(meter, p))
	}
	clock := cli.NewMeter("", 0, 0)
	sum, err := datasets.Ingest(ctx, src, out, o)
	if err != nil {
		return err
	}
	line.Close()
	if sum.Kept > 0 {
		fmt.Printf("%s: went on where an ingest was stopped, which had written %d shards\n", out, sum.Kept)
	}
	report(out, sum, len(src.Classes()), o.Reencode, clock)
	return nil
}

// doing is the progress line of what comes before the first image and after the last.
func doing(p datasets.IngestProgress) string {
	return fmt.Sprintf("%s: %d of %d images", p.Doing, p.Done, p.Total)
}

// progress is the progress line.
func progress(meter *cli.Meter, p datasets.IngestProgress) string {
	text := meter.Text(p.Done)
	if rate := meter.PerSecond(p.Bytes); rate > 0 {
		text += fmt.Sprintf("  %s/s", size(int64(rate)))
	}
	if p.Bad > 0 {
		text += fmt.Sprintf("  %d bad", p.Bad)
	}
	return text
}

// report says what was written.
func report(out string, sum datasets.Summary, classes int, reencoded *datasets.Reencoding, clock *cli.Meter) {
	fmt.Printf("%s: %d images of %d classes, %s in %d shards, %s\n", out, sum.Images, classes, size(sum.Bytes), sum.Shards,
		cli.FormatDuration(clock.Elapsed()))
	if r := sum.Reencoded; reencoded != nil {
		fmt.Printf("%d re-encoded to %d pixels, JPEG quality %d: %s -> %s\n", r.Images, reencoded.MaxSide,
			reencoded.Quality, size(r.BytesBefore), size(r.BytesAfter))
	}
	if sum.Duplicates > 0 {
		fmt.Printf("%d images were left out, since others have the same bytes: %s lists them\n", sum.Duplicates,
			filepath.Join(out, datasets.DuplicatesName))
	}
	if sum.Bad > 0 {
		fmt.Printf("%d bad images are in its %s; to see why: ingest look %s\n", sum.Bad, datasets.QuarantineName, out)
	}
}
