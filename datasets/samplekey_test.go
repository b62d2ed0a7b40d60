package datasets

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goclr/goclr/pipeline"
)

// nameOf is what FORMAT.md says of reading a key: the name that it stands for.
func nameOf(key string) string {
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		if len(key) >= i+4 && key[i:i+2] == `\x` && strings.Trim(key[i+2:i+4], "0123456789abcdef") == "" {
			c, _ := strconv.ParseUint(key[i+2:i+4], 16, 8)
			b.WriteByte(byte(c))
			i += 3
		} else {
			b.WriteByte(key[i])
		}
	}
	return b.String()
}

func TestSampleKeyOf(t *testing.T) {
	for name, want := range map[string]string{
		"train/dog/0590.jpg": "train/dog/0590.jpg",
		"caf\u00e9.jpg":      "caf\u00e9.jpg",
		"a\uFFFD.jpg":        "a\uFFFD.jpg",
		"caf\xe9.jpg":        `caf\xe9.jpg`,
		`caf\xe9.jpg`:        `caf\x5cxe9.jpg`,
		`caf\x5cxe9.jpg`:     `caf\x5cx5cxe9.jpg`,
		`a\x.jpg`:            `a\x.jpg`,
		`a\xE9`:              `a\xE9`,
		`images\x1`:          `images\x1`,
		"\\\xff":             `\\xff`,
		"\xe2\x82":           `\xe2\x82`,
	} {
		if got := sampleKeyOf(name); got != want {
			t.Errorf("%q has the key %q, want %q", name, got, want)
		}
	}
}

// FuzzSampleKeyOf makes sure that keys are text and tell the name, so that no two names share one.
func FuzzSampleKeyOf(f *testing.F) {
	for _, name := range []string{"a.jpg", "\\\xff", `\x5c`, "\\x4\xff", `\\x00`, "\xff\xfe", "\\x\xff"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if key := sampleKeyOf(name); !utf8.ValidString(key) || nameOf(key) != name {
			t.Errorf("%q has the key %q, which stands for %q", name, key, nameOf(key))
		}
	})
}

// TestNamesOfAnyBytes brings files whose names are no text through shards, twice: all come out, with keys that tell them apart and rows in their order.
func TestNamesOfAnyBytes(t *testing.T) {
	names := []string{"a\xfe.jpg", "a\xff.jpg", `a\xff.jpg`, "a\uFFFD.jpg"}
	dir := t.TempDir()
	var want []picture
	for i, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(tinyImage(i)), 0o600); err != nil {
			t.Skipf("this file system takes no such names: %v", err)
		}
		want = append(want, picture{-1, sampleKeyOf(name), tinyImage(i)})
	}
	byKey := func(a, b picture) int { return strings.Compare(a.key, b.key) }
	slices.SortFunc(want, byKey)
	src := openSpec(t, dir)
	for round := range 3 {
		got := pictures(t, src)
		slices.SortFunc(got, byKey)
		if !slices.Equal(got, want) {
			t.Fatalf("after %d ingests: %q, want %q", round, got, want)
		}
		for _, p := range want {
			if found, err := Find(t.Context(), src, p.key); err != nil || len(found) != 1 {
				t.Errorf("%q is found at %d: %v", p.key, found, err)
			}
		}
		out := filepath.Join(t.TempDir(), "shards")
		if _, err := Ingest(t.Context(), src, out, IngestOptions{Check: accept}); err != nil {
			t.Fatal(err)
		}
		src = openSpec(t, out)
	}
}

// A misnamed dataset gives every image a key that is no text.
type misnamed struct{ Dataset }

func (d misnamed) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	err := d.Dataset.Read(ctx, i, s)
	s.Key += "\xff"
	return err
}

func (d misnamed) Close() error { return d.Dataset.Close() }

func TestIngestRefusesKeysThatAreNoText(t *testing.T) {
	src := misnamed{tarDataset(t, manyMembers(3, 0))}
	_, err := Ingest(t.Context(), src, filepath.Join(t.TempDir(), "shards"), IngestOptions{Check: accept})
	if err == nil || !strings.Contains(err.Error(), "its key is not UTF-8") {
		t.Error(err)
	}
}

// TestFindByName finds an image by its key and by the bytes of its name.
func TestFindByName(t *testing.T) {
	d := tarDataset(t, members("a/caf\xe8.jpg", "a/caf\xe9.jpg"))
	for _, word := range []string{`a/caf\xe9.jpg`, "a/caf\xe9.jpg"} {
		if found, err := Find(t.Context(), d, word); err != nil || len(found) != 1 || found[0] != 1 {
			t.Errorf("%q: images %v, %v", word, found, err)
		}
	}
}
