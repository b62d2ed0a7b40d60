package main

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
)

const mergeHelp = `
ingest merge puts together what several ingests have written with -part.

  ingest -in SRC -out DIR/1 -part 1/8 ...   on one machine, or in one job of an array; the same flags for all
  ingest -in SRC -out DIR/2 -part 2/8 ...   on another one
  ingest merge -out shards DIR/*            when all are done: the same bytes as of one ingest of the whole

Each part reads the names of all images, and the images of its own part only (an archive that is compressed or in a store, all of it).
Files are linked where they can be, so merging takes no time and no room on one disk. The parts stay: remove them afterwards.
A part that is complete is left as it is when its job is run again.

Kubernetes:  an Indexed Job of 8 completions runs  ingest ... -part $((JOB_COMPLETION_INDEX+1))/8
Slurm:       sbatch --array=1-8 runs  ingest ... -part $SLURM_ARRAY_TASK_ID/8
`

// merge is the command of that name.
func merge(ctx context.Context, args []string) error {
	f := cli.NewFlags("ingest merge", mergeHelp)
	out := f.String("out", "", "the `folder` to make for the shards")
	force := f.Bool("force", false, "replace the folder if it holds shards")
	if err := f.Parse(args); err != nil {
		return err
	}
	switch {
	case *out == "":
		return cli.Usagef("-out is missing: which folder for the shards?")
	case f.NArg() == 0:
		return cli.Usagef("which parts? Name the folders that ingest -part has written")
	}
	if err := localOnly("merge", f.Args()...); err != nil {
		return err
	}
	clock := cli.NewMeter("", 0, 0)
	line := cli.NewLine(os.Stderr)
	defer line.Close()
	sum, err := datasets.Merge(ctx, *out, f.Args(), datasets.MergeOptions{
		Replace:  *force,
		Progress: func(p datasets.IngestProgress) { line.Show(doing(p)) },
	})
	line.Close()
	if err != nil {
		return err
	}
	merged, err := datasets.Open(ctx, *out, datasets.Options{})
	if err != nil {
		return err
	}
	defer merged.Close()
	report(*out, sum, len(merged.Classes()), nil, clock)
	return nil
}

// parsePart reads "i/n"; "" is the whole, 0/0.
func parsePart(text string) (part, parts int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	before, after, _ := strings.Cut(text, "/")
	part, err = strconv.Atoi(before)
	if err == nil {
		parts, err = strconv.Atoi(after)
	}
	if err != nil || part < 1 || part > parts {
		return 0, 0, cli.Usagef("-part %s: it takes the part and their number, from 1/8 to 8/8 for example", text)
	}
	return part, parts, nil
}
