package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
)

// A split is a named part of the images.
type split struct {
	name     string
	from, to float64 // see datasets.SplitByKey
}

var splitName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// parseSplits reads "train=0.9,val=0.1"; "" is none.
func parseSplits(text string) ([]split, error) {
	if text == "" {
		return nil, nil
	}
	var splits []split
	seen := map[string]bool{}
	at := 0.0
	for item := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(item, "=")
		fraction, err := strconv.ParseFloat(value, 64)
		if err != nil || !(fraction > 0 && fraction < 1) || !splitName.MatchString(name) || seen[name] {
			return nil, cli.Usagef("-split %s: %q is no split: it takes names, each once, with fractions, as in train=0.9,val=0.1", text, item)
		}
		seen[name] = true
		splits = append(splits, split{name, at, at + fraction})
		at += fraction
	}
	if math.Abs(at-1) > 1e-9 {
		return nil, cli.Usagef("-split %s: its fractions add up to %g, not to 1", text, at)
	}
	splits[len(splits)-1].to = 1
	return splits, nil
}

// writeSplits writes each split to a folder of its own in out.
func writeSplits(ctx context.Context, src datasets.Dataset, splits []split, out string, o datasets.IngestOptions) error {
	for _, s := range splits {
		part, err := datasets.SplitByKey(ctx, src, s.from, s.to)
		if err != nil {
			return err
		}
		if part.Len() == 0 {
			return fmt.Errorf("no image falls into split %s: give it a larger fraction, or leave -split out", s.name)
		}
		if err := write(ctx, part, filepath.Join(out, s.name), o); err != nil {
			return fmt.Errorf("split %s: %w", s.name, err)
		}
	}
	return nil
}
