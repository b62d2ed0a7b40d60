package datasets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestParts ingests in parts and merges them in any order: every byte is that of an ingest of the whole.
func TestParts(t *testing.T) {
	src := tarDataset(t, manyMembers(200, 9))
	options := func(part, parts int) IngestOptions {
		return IngestOptions{Check: refuse, MaxBad: 0.5, ShardBytes: 20 << 10, Part: part, Parts: parts}
	}
	whole := filepath.Join(t.TempDir(), "whole")
	want, err := Ingest(t.Context(), src, whole, options(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, parts := range []int{1, 2, 3, want.Shards + 2} { // the last has parts without shards
		folder := t.TempDir()
		var dirs []string
		for part := parts; part > 0; part-- {
			dir := filepath.Join(folder, fmt.Sprint(part))
			if _, err := Ingest(t.Context(), src, dir, options(part, parts)); err != nil {
				t.Fatal(err)
			}
			dirs = append(dirs, dir)
			wantError(t, dir, fmt.Sprintf("part %d of %d", part, parts), "ingest merge")
			if _, err := Verify(t.Context(), dir, nil); err != nil {
				t.Errorf("verify part %d of %d: %v", part, parts, err)
			}
		}
		dir := filepath.Join(folder, "merged")
		if got, err := Merge(t.Context(), dir, dirs, MergeOptions{}); err != nil || got != want {
			t.Fatalf("%d parts: %+v, %v; want %+v", parts, got, err, want)
		}
		if !sameTree(tree(t, dir), tree(t, whole)) {
			t.Errorf("%d parts give other bytes than the whole", parts)
		}
	}
}

func TestMergeErrors(t *testing.T) {
	folder := t.TempDir()
	ingest := func(name string, src Dataset, o IngestOptions) string {
		dir := filepath.Join(folder, name)
		o.Check, o.MaxBad = sizeOf, 1
		if _, err := Ingest(t.Context(), src, dir, o); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	src := tarDataset(t, lines("3 x 2", "4 x 2", "5 x 2", "6 x 2"))
	one := ingest("one", src, IngestOptions{Part: 1, Parts: 2})
	two := ingest("two", src, IngestOptions{Part: 2, Parts: 2})
	again := ingest("again", src, IngestOptions{Part: 2, Parts: 2})
	third := ingest("third", src, IngestOptions{Part: 3, Parts: 3})
	small := ingest("small", src, IngestOptions{Part: 2, Parts: 2, ShardBytes: 100})
	encoded := ingest("encoded", src, IngestOptions{Part: 2, Parts: 2,
		Reencode: &Reencoding{MaxSide: 100, Quality: 80, Encoder: "lines 1.0", Shrink: shrinkLine}})
	header := ingest("header", src, IngestOptions{Part: 2, Parts: 2, CheckName: "-check header"})
	other := ingest("other", tarDataset(t, lines("3 x 2", "4 x 2", "5 x 2", "7 x 22")), IngestOptions{Part: 2, Parts: 2})
	whole := ingest("whole", src, IngestOptions{})
	for _, c := range []struct {
		parts []string
		says  []string
	}{
		{nil, []string{"no parts"}},
		{[]string{one}, []string{"of 2 parts, [2] are missing", "-part"}},
		{[]string{one, two, again}, []string{"two", "again", "both hold part 2"}},
		{[]string{one, third}, []string{"one is of 2 parts, the other of 3"}},
		{[]string{one, small}, []string{"counts on"}},
		{[]string{one, encoded}, []string{"re-encoded in another way"}},
		{[]string{one, header}, []string{"with the default for one and -check header for the other", "the same flags"}},
		{[]string{one, other}, []string{"other images"}},
		{[]string{one, whole}, []string{"whole is no part"}},
		{[]string{one, filepath.Join(folder, "nothing")}, []string{"nothing", "no manifest.json"}},
	} {
		out := filepath.Join(folder, "out")
		_, err := Merge(t.Context(), out, c.parts, MergeOptions{})
		for _, says := range c.says {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%q: error %v, want %q", c.parts, err, says)
			}
		}
		if !missing(out) || !missing(out+".partial") {
			t.Errorf("%q: something is left", c.parts)
		}
	}
	if _, err := Merge(t.Context(), whole, []string{one, two}, MergeOptions{}); err == nil || !strings.Contains(err.Error(), "-force") {
		t.Errorf("over another folder: %v", err)
	}
	beside := writeTemp(t, folder, "two.quarantine.arrow", []byte("of an ingest that failed"))
	if _, err := Merge(t.Context(), whole, []string{one, two, beside}, MergeOptions{Replace: true}); err != nil {
		t.Error(err)
	}
	first := ingest("first", src, IngestOptions{Part: 1, Parts: 2, CheckName: "-check header"})
	if _, err := Merge(t.Context(), whole, []string{first, header}, MergeOptions{Replace: true}); err != nil {
		t.Error(err)
	}
	m, err := readManifest(whole)
	if err != nil {
		t.Fatal(err)
	}
	if m.Check != "-check header" {
		t.Errorf("the manifest of the whole says %q of the check", m.Check)
	}
}

// TestSameKeys: of images with the same key the first of the source is kept and the others set aside.
func TestSameKeys(t *testing.T) {
	list := members("a/1.jpg", "a/2.jpg", "a/1.jpg", "a/1.jpg")
	dir := filepath.Join(t.TempDir(), "shards")
	sum, err := Ingest(t.Context(), tarDataset(t, list), dir, IngestOptions{Check: accept, MaxBad: 0.5})
	if err != nil || sum.Images != 2 || sum.Bad != 2 {
		t.Fatalf("%+v, %v", sum, err)
	}
	for _, p := range pictures(t, openSpec(t, dir)) {
		if want := map[string]string{"a/1.jpg": list[0].bytes, "a/2.jpg": list[1].bytes}[p.key]; p.bytes != want {
			t.Errorf("%s has the bytes of another image", p.key)
		}
	}
	bad := quarantined(t, dir)
	if len(bad) != 2 || bad[0].ID != 2 || bad[1].ID != 3 || bad[0].Stage != StageKey || string(bad[1].Bytes) != list[3].bytes {
		t.Errorf("set aside: %+v", bad)
	}
}

func TestKeyID(t *testing.T) {
	const want = 14864838729278141757 // by the formula of FORMAT.md in Python
	if got := keyID("a/1.jpg"); got != want {
		t.Errorf("%d, want %d", got, uint64(want))
	}
}

// TestMergeOfDamagedParts: bad images that did not come along, or not whole, and sums of images that are damaged.
func TestMergeOfDamagedParts(t *testing.T) {
	src := tarDataset(t, manyMembers(40, 4))
	parts := func(dedupe bool) (dirs []string) {
		for part := range 2 {
			dir := filepath.Join(t.TempDir(), "part")
			o := IngestOptions{Check: refuse, MaxBad: 1, ShardBytes: 9000, Part: part + 1, Parts: 2, Deduplicate: dedupe}
			if _, err := Ingest(t.Context(), src, dir, o); err != nil {
				t.Fatal(err)
			}
			dirs = append(dirs, dir)
		}
		return dirs
	}
	for _, c := range []struct {
		dedupe bool
		damage func(dir string) error
		says   string
	}{
		{false, func(dir string) error { return os.Remove(filepath.Join(dir, QuarantineName)) }, "bad images of"},
		{false, func(dir string) error { return os.Truncate(filepath.Join(dir, QuarantineName), 3000) }, "does not match"},
		{true, func(dir string) error {
			sums, err := filepath.Glob(filepath.Join(dir, "*"+sumsSuffix))
			if err != nil {
				return err
			}
			info, err := os.Stat(sums[0])
			if err != nil {
				return err
			}
			return os.WriteFile(sums[0], make([]byte, info.Size()), 0o644) // as of a disk that lost power
		}, "have the same sum"},
	} {
		dirs := parts(c.dedupe)
		if err := c.damage(dirs[1]); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "merged")
		sum, err := Merge(t.Context(), out, dirs, MergeOptions{})
		if err == nil || !strings.Contains(err.Error(), c.says) || !missing(out) {
			t.Errorf("%+v, error %v, want %q", sum, err, c.says)
		}
	}
}
