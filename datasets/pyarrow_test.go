package datasets

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// pyArrow returns a python with pyarrow, or skips the test.
func pyArrow(t *testing.T) string {
	t.Helper()
	python := os.Getenv("GOCLR_PYTHON")
	if python == "" {
		t.Skip("GOCLR_PYTHON names no python; set it to one with pyarrow")
	}
	if out, err := exec.Command(python, "-c", "import pyarrow").CombinedOutput(); err != nil {
		t.Skipf("%s has no pyarrow: %v\n%s", python, err, out)
	}
	return python
}

// pyarrow reads our shards and agrees with the manifest on every row.
func TestPyArrow(t *testing.T) {
	python := pyArrow(t)
	src, err := Open(t.Context(), "synthetic:n=50", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dir := filepath.Join(t.TempDir(), "shards")
	check := func([]byte) (int, int, error) { return 32, 32, nil }
	if _, err := Ingest(t.Context(), src, dir, IngestOptions{Check: check}); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, filepath.Join("testdata", "read_shards.py"), dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// pyarrow writes tables in all its encodings, and they hold what the folder held that they were made of.
func TestTablesOfPyArrow(t *testing.T) {
	python := pyArrow(t)
	images, out := t.TempDir(), t.TempDir()
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("class %d/%d.jpg", i%3, i))
	}
	for _, m := range members(names...) {
		writeTemp(t, images, m.key, []byte(m.bytes))
	}
	if b, err := exec.Command(python, filepath.Join("testdata", "write_parquet.py"), images, out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	want := pictures(t, openSpec(t, images))
	variants, err := os.ReadDir(out)
	if err != nil || len(variants) == 0 {
		t.Fatal(err)
	}
	for _, variant := range variants {
		if got := pictures(t, openSpec(t, filepath.Join(out, variant.Name())+"#train")); !slices.Equal(got, want) {
			t.Errorf("%s: %s, want %s", variant.Name(), outline(got), outline(want))
		}
	}
	t.Logf("%d tables", len(variants))

	// pyarrow has put a checksum on each page.
	file := filepath.Join(out, "none-1.0-plain", "train-00000-of-00002.parquet")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte(tinyImage(0)))+100] ^= 1
	wantError(t, writeTemp(t, "", "x.parquet", b), "column image.bytes", "checksum")
}
