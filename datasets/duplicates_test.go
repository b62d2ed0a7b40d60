package datasets

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDuplicates leaves out images whose bytes are those of another, in one ingest, in parts, and after a stop: each time the same.
func TestDuplicates(t *testing.T) {
	list := manyMembers(120, 0)
	for i := range list { // of every ten, nine differ
		list[i].bytes = tinyImage(i - i%10/9)
	}
	list[5].bytes, list[77].bytes = list[100].bytes, list[100].bytes
	src := tarDataset(t, list)
	o := IngestOptions{Check: accept, ShardBytes: 12 << 10, Deduplicate: true}
	whole := filepath.Join(t.TempDir(), "whole")
	sum, err := Ingest(t.Context(), src, whole, o)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Images != 106 || sum.Duplicates != 14 || sum.Shards < 3 {
		t.Errorf("%+v", sum)
	}
	all := map[string]string{} // keys by bytes
	for _, p := range list {
		all[p.key] = p.bytes
	}
	seen := map[string]string{}
	d := openSpec(t, whole)
	for _, p := range pictures(t, d) {
		if seen[p.bytes] != "" || all[p.key] != p.bytes {
			t.Errorf("%s: seen as %q, or has the bytes of another", p.key, seen[p.bytes])
		}
		seen[p.bytes] = p.key
	}
	lines := strings.Split(strings.TrimSpace(tree(t, whole)[DuplicatesName]), "\n")
	if len(lines) != 14 {
		t.Errorf("%d lines", len(lines))
	}
	for key, content := range all {
		if kept := seen[content]; kept == "" {
			t.Errorf("%s is lost", key)
		} else if line := fmt.Sprintf(`{"key":%q,"same_as":%q}`, key, kept); (kept != key) != slices.Contains(lines, line) {
			t.Errorf("the list says otherwise than %s", line)
		}
	}
	if _, err := Verify(t.Context(), whole, nil); err != nil {
		t.Error(err)
	}
	unique := filepath.Join(t.TempDir(), "unique")
	if _, err := Ingest(t.Context(), d, unique, o); err != nil || openSpec(t, unique).Fingerprint() != d.Fingerprint() {
		t.Errorf("without duplicates the fingerprint is another: %v", err)
	}

	var parts []string
	for part := range 3 {
		dir := filepath.Join(t.TempDir(), "part")
		o := o
		o.Part, o.Parts = part+1, 3
		if _, err := Ingest(t.Context(), src, dir, o); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(t.Context(), dir, nil); err != nil {
			t.Error(err)
		}
		parts = append(parts, dir)
	}
	merged := filepath.Join(t.TempDir(), "merged")
	if got, err := Merge(t.Context(), merged, parts, MergeOptions{}); err != nil || got != sum || !sameTree(tree(t, merged), tree(t, whole)) {
		t.Errorf("in parts: %+v, %v", got, err)
	}
	stopEverywhere(t, src, o, tree(t, whole))
}

// stopEverywhere stops an ingest at each file that it creates, goes on, and wants the same bytes as of one that was not stopped.
func stopEverywhere(t *testing.T, src Dataset, o IngestOptions, want map[string]string) {
	t.Helper()
	for k := 0; ; k++ {
		dir := filepath.Join(t.TempDir(), "shards")
		left := k
		ctx, stop := context.WithCancel(t.Context())
		o.create = func(name string) (outputFile, error) {
			if left--; left < 0 {
				stop()
				return nil, context.Canceled
			}
			return createFile(name)
		}
		_, err := Ingest(ctx, src, dir, o)
		stop()
		if err == nil {
			if k < 5 {
				t.Errorf("an ingest creates %d files only", k)
			}
			return
		}
		o.create = nil
		if _, err := Ingest(t.Context(), src, dir, o); err != nil || !sameTree(tree(t, dir), want) {
			got := tree(t, dir)
			t.Errorf("stopped at file %d: %v, files %v, want %v", k, err, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		if !missing(dir + ".partial") {
			entries, _ := os.ReadDir(dir + ".partial")
			t.Errorf("stopped at file %d: %v is left", k, entries)
		}
	}
}

// TestDuplicatesOfReencoded: images that were re-encoded and then left out.
func TestDuplicatesOfReencoded(t *testing.T) {
	src := tarDataset(t, lines("300 x 200", "300 x 200", "400 x 200"))
	dir := filepath.Join(t.TempDir(), "shards")
	sum, err := Ingest(t.Context(), src, dir, IngestOptions{Check: sizeOf, Deduplicate: true,
		Reencode: &Reencoding{MaxSide: 100, Quality: 80, Encoder: "lines 1.0", Shrink: shrinkLine}})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Images != 2 || sum.Duplicates != 1 || sum.Reencoded.Images != 3 {
		t.Errorf("%+v", sum)
	}
	if _, err := Verify(t.Context(), dir, nil); err != nil {
		t.Error(err)
	}
}
