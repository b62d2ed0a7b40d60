package datasets

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

func TestSpread(t *testing.T) {
	d := openSpec(t, "synthetic:n=1000,size=8")
	all := pictures(t, d)
	part := Spread(d, 100)
	got := pictures(t, part)
	if len(got) != 100 || part.Len() != 100 {
		t.Fatalf("%d images, want 100", len(got))
	}
	labels := map[int32]int{}
	for i, p := range got {
		if !slices.Contains(all[10*i:10*i+10], p) {
			t.Errorf("image %d, %s, is not one of the ten in its part", i, p.key)
		}
		labels[p.label]++
	}
	for label, n := range labels {
		if n > 25 {
			t.Errorf("label %d occurs %d times of 100", label, n)
		}
	}
	if again := pictures(t, Spread(d, 100)); outline(again) != outline(got) {
		t.Error("the choice differs between calls")
	}
	if part.Fingerprint() == d.Fingerprint() || part.Fingerprint() == Spread(d, 50).Fingerprint() {
		t.Error("the fingerprint does not tell the choice")
	}
	if whole := Spread(d, 2000); whole.Len() != 1000 || whole.Fingerprint() != d.Fingerprint() {
		t.Errorf("more than all: %d images, fingerprint %s", whole.Len(), whole.Fingerprint())
	}
}

func TestSameClasses(t *testing.T) {
	ab := tarDataset(t, members("a/1.jpg", "b/1.jpg"))
	for _, c := range []struct {
		other Dataset
		says  string
	}{
		{tarDataset(t, members("b/2.jpg", "a/2.jpg", "a/3.jpg")), ""},
		{tarDataset(t, members("a/1.jpg", "c/1.jpg")), `["a" "b"] and ["a" "c"]`},
		{tarDataset(t, members("1.jpg")), "has no classes"},
		{openSpec(t, "synthetic"), `["bar" "crescent" "cross"] and 7 more`},
	} {
		err := SameClasses(ab, c.other)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("error %v, want %q", err, c.says)
		}
	}
}

// TestSplitByKey: every image falls into one of two splits, where it stays when there are others.
func TestSplitByKey(t *testing.T) {
	split := func(d Dataset, from, to float64) map[string]bool {
		s, err := SplitByKey(t.Context(), d, from, to)
		if err != nil {
			t.Fatal(err)
		}
		keys := map[string]bool{}
		for _, p := range pictures(t, s) {
			keys[p.key] = true
		}
		if s.Fingerprint() == d.Fingerprint() {
			t.Error("the fingerprint does not tell the split")
		}
		return keys
	}
	many, few := openSpec(t, "synthetic:n=1000,size=8"), openSpec(t, "synthetic:n=400,size=8")
	a, b := split(many, 0, 0.8), split(many, 0.8, 1)
	if len(a)+len(b) != 1000 || len(a) < 750 || len(a) > 850 {
		t.Errorf("%d and %d of 1000 images", len(a), len(b))
	}
	for key := range b {
		if a[key] {
			t.Errorf("%s is in both", key)
		}
	}
	for key := range split(few, 0.8, 1) {
		if !b[key] {
			t.Errorf("%s has moved", key)
		}
	}
	for _, c := range [][2]float64{{-0.1, 1}, {0.5, 0.5}, {0, 1.1}} {
		if _, err := SplitByKey(t.Context(), many, c[0], c[1]); err == nil {
			t.Errorf("from %g to %g is no error", c[0], c[1])
		}
	}
}

// TestSplitsOfShards opens a folder of folders of shards.
func TestSplitsOfShards(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"train", "val"} {
		if _, err := Ingest(t.Context(), tarDataset(t, manyMembers(i+2, 0)), filepath.Join(dir, name), IngestOptions{Check: accept}); err != nil {
			t.Fatal(err)
		}
	}
	if n := openSpec(t, dir+"#val").Len(); n != 3 {
		t.Errorf("%d images", n)
	}
	wantError(t, dir, "several splits (train, val)")
	wantError(t, dir+"#test", `no split "test"`, "train, val")
}

// TestSplitOfDamaged: an image whose key cannot be told falls into one of the splits.
func TestSplitOfDamaged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shards")
	src := tarDataset(t, manyMembers(20, 0))
	if _, err := Ingest(t.Context(), src, dir, IngestOptions{Check: accept}); err != nil {
		t.Fatal(err)
	}
	d := openSpec(t, dir)
	a, err := SplitByKey(t.Context(), undescribed{d}, 0, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	b, err := SplitByKey(t.Context(), undescribed{d}, 0.5, 1)
	if err != nil || a.Len()+b.Len() != 20 || a.Len() == 0 || b.Len() == 0 {
		t.Errorf("%d and %d images, %v", a.Len(), b.Len(), err)
	}
}

// undescribed does not tell the key of an image.
type undescribed struct{ Dataset }

func (u undescribed) describe(i int, s *pipeline.Sample) error {
	if i == 7 {
		return errors.New("the offsets of its key make no sense")
	}
	return describe(s.Context(), u.Dataset, i, s)
}
