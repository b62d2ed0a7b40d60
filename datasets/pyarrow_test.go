package datasets

import (
	"os"
	"os/exec"
	"path/filepath"
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
