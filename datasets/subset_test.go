package datasets

import (
	"slices"
	"strings"
	"testing"
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
