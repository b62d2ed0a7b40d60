package onnx

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
)

// TestTable sums up two steps: the trace has events of other kinds, and an operator that ran on two providers.
func TestTable(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "trace.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := readTrace(f)
	if err != nil {
		t.Fatal(err)
	}
	const want = `2 steps, 5.0 ms each

   share  total ms  calls  ms/step  calls/step  operator
  60.0 %       6.0      3     3.00         1.5  Conv (CUDA)
  15.0 %       1.5      2     0.75           1  Relu (CUDA)
   5.0 %       0.5      1     0.25         0.5  Relu (CPU)
  20.0 %       2.0      0     1.00           0  outside of operators
`
	if table := string(got.table()); table != want {
		t.Errorf("the table is\n%swant\n%s", table, want)
	}
}

func TestBrokenTraces(t *testing.T) {
	for _, text := range []string{"", "{", "[", `[{"cat": 3}]`, "[]", `[{"cat":"Session","name":"model_run"`} {
		if got, err := readTrace(strings.NewReader(text)); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestProfile(t *testing.T) {
	closeTest(t, openTest(t)) // skips
	folder := t.TempDir()
	file := filepath.Join(folder, "steps.json")
	b, err := backends.Open(t.Context(), "onnx", backends.Options{Threads: 2, Profile: file})
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, b)
	p := programOf(t, b, blockOf(2, 4, 2, 1))
	batch := pairsOf(t, 2, 4)
	for range 3 {
		if _, err := p.Step(t.Context(), batch, 0.1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Embed(t.Context(), batch, backends.Train); err != nil { // is not in the profile
		t.Fatal(err)
	}
	closeTest(t, p)
	trace, err := os.ReadFile(file)
	if err != nil || !json.Valid(trace) {
		t.Errorf("the trace is no JSON (%v)", err)
	}
	for _, want := range []string{"ConvPixels 3x4x4 to 2x4x4 by 3x3/1 #", "Normalize 2x4x4 #", "Descend 2x3x3x3 #"} {
		if n := bytes.Count(trace, []byte(`"`+want)); n != 3 {
			t.Errorf("the trace has %q %d times in 3 steps", want, n)
		}
	}
	table, err := os.ReadFile(file + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", table)
	for _, want := range []string{"3 steps, ", "ConvPixels (CPU)", "Normalize (CPU)", "outside of operators"} {
		if !strings.Contains(string(table), want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 {
		t.Errorf("beside the trace and the table there are %v (%v)", left, err)
	}
}

func TestProfileThatCannotBeWritten(t *testing.T) {
	closeTest(t, openTest(t)) // skips
	file := filepath.Join(t.TempDir(), "none", "steps.json")
	b, err := backends.Open(t.Context(), "onnx", backends.Options{Profile: file})
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, b)
	_, err = b.Compile(t.Context(), blockOf(2, 4, 2, 1))
	wantError(t, err, file)
}
