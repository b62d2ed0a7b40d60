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
