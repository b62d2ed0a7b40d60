package pipeline_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
)

// pyarrow recognises the type of the views. TestTensorMetadata guards the same without Python.
func TestPyArrow(t *testing.T) {
	python := os.Getenv("GOCLR_PYTHON")
	if python == "" {
		t.Skip("GOCLR_PYTHON names no python; set it to one with pyarrow and numpy")
	}
	if out, err := exec.Command(python, "-c", "import pyarrow, numpy").CombinedOutput(); err != nil {
		t.Skipf("%s has no pyarrow and numpy: %v\n%s", python, err, out)
	}
	file := filepath.Join(t.TempDir(), "views.arrows")
	firstRecord(t, func(rec arrow.Record) {
		if err := os.WriteFile(file, stream(t, rec), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	out, err := exec.Command(python, filepath.Join("testdata", "read_ipc.py"), file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
