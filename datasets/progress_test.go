package datasets

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// openings opens a dataset and returns what it told of that.
func openings(t *testing.T, spec string) (told []Opening) {
	t.Helper()
	d, err := Open(t.Context(), spec, Options{TempDir: t.TempDir(), Progress: func(o Opening) { told = append(told, o) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	return told
}

// TestOpeningIsTold: whoever waits for a collection to be listed or unpacked sees how far that is.
func TestOpeningIsTold(t *testing.T) {
	list := manyMembers(2500, 0)
	dir := t.TempDir()
	for _, p := range list {
		writeTemp(t, dir, p.key, []byte(p.bytes))
	}
	listed := []Opening{{Images: 1000}, {Images: 2000}}
	archive := tarBytes(t, list)
	for _, spec := range []string{dir, writeTemp(t, "", "x.tar", archive)} {
		if told := openings(t, spec); !slices.Equal(told, listed) {
			t.Errorf("%s: %+v", spec, told)
		}
	}
	told := openings(t, writeTemp(t, "", "x.tar.gz", gzipBytes(t, archive)))
	if last := told[len(told)-1]; last.Images != 2000 || last.Bytes != int64(len(archive)) || told[0].Images != 0 || told[0].Bytes == 0 {
		t.Errorf("unpacked: %+v to %+v", told[0], last)
	}
}

// TestLongPhasesAreTold: names of many images are put in order before the first is read, and duplicates are left out after the last, of an
// ingest and of a merge.
func TestLongPhasesAreTold(t *testing.T) {
	const images = 2*toldAtOnce + 10
	list := make([]picture, images)
	for i := range list {
		list[i] = picture{key: fmt.Sprintf("%05d.jpg", i), bytes: fmt.Sprintf("\xff\xd8\xff %d", i/2)} // in pairs
	}
	src := tarDataset(t, list)
	var seen []string
	tell := func(p IngestProgress) {
		switch {
		case p.Doing == "" && (len(seen) == 0 || !strings.HasPrefix(seen[len(seen)-1], "images")):
			seen = append(seen, "images")
		case p.Doing != "":
			seen = append(seen, fmt.Sprintf("%s %d/%d", p.Doing, p.Done, p.Total))
		}
	}
	o := IngestOptions{Check: accept, Deduplicate: true, Progress: tell}
	if _, err := Ingest(t.Context(), src, filepath.Join(t.TempDir(), "shards"), o); err != nil {
		t.Fatal(err)
	}
	order := []string{"putting names in order 10000/20010", "putting names in order 20000/20010", "images"}
	duplicates := []string{"leaving out duplicates 10000/20010", "leaving out duplicates 20000/20010"}
	if !slices.Equal(seen, slices.Concat(order, duplicates)) {
		t.Errorf("%q", seen)
	}
	part := filepath.Join(t.TempDir(), "part")
	o.Part, o.Parts = 1, 1
	if _, err := Ingest(t.Context(), src, part, o); err != nil {
		t.Fatal(err)
	}
	seen = nil
	merged := filepath.Join(t.TempDir(), "merged")
	if _, err := Merge(t.Context(), merged, []string{part}, MergeOptions{Progress: tell}); err != nil || !slices.Equal(seen, duplicates) {
		t.Errorf("merge: %q, %v", seen, err)
	}
	if _, err := os.Stat(filepath.Join(merged, DuplicatesName)); err != nil {
		t.Error(err)
	}
}
