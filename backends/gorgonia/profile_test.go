package gorgonia

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
)

// TestProfile records whole steps alone: not Embed, and not a step that was cancelled.
func TestProfile(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "steps.json")
	p := compileTest(t, openTest(t, backends.Options{Threads: 2, Profile: file}), smallStep())
	for range 3 {
		stepTest(t, p, smallBatch(t, 1))
	}
	if _, err := p.Embed(t.Context(), smallBatch(t, 1), backends.Train); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Step(cancelled, smallBatch(t, 1), smallRate); err == nil {
		t.Fatal("a cancelled step worked")
	}
	closeTest(t, p)
	trace, err := os.ReadFile(file)
	if err != nil || !json.Valid(trace) {
		t.Errorf("the trace is no JSON (%v)", err)
	}
	for _, want := range []string{"NTXent#", "NTXentGrad#", "PairAccuracy#"} {
		if n := bytes.Count(trace, []byte(`"`+want)); n != 3 {
			t.Errorf("the trace has %q %d times in 3 steps", want, n)
		}
	}
	table, err := os.ReadFile(file + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3 steps, ", "Conv (cpu)", "NormalizeGradInput (cpu)", "outside of operators"} {
		if !strings.Contains(string(table), want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 {
		t.Errorf("beside the trace and the table there are %v (%v)", left, err)
	}
}

// TestProfileOfBackward records steps in parts by their Backward.
func TestProfileOfBackward(t *testing.T) {
	file := filepath.Join(t.TempDir(), "steps.json")
	s := smallStep()
	p := compileTest(t, openTest(t, backends.Options{Threads: 1, Profile: file}), s)
	for range 2 {
		if err := p.Backward(t.Context(), smallBatch(t, 1), make([]float32, s.Project.Size())); err != nil {
			t.Fatal(err)
		}
	}
	closeTest(t, p)
	if table, err := os.ReadFile(file + ".txt"); err != nil || !strings.HasPrefix(string(table), "2 steps") {
		t.Errorf("the table is %s (%v)", table, err)
	}
}

// TestProfileOfNothing takes no step.
func TestProfileOfNothing(t *testing.T) {
	folder := t.TempDir()
	b := openTest(t, backends.Options{Threads: 1, Profile: filepath.Join(folder, "steps.json")})
	p, err := b.Compile(t.Context(), smallStep())
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, p.Close(), "steps.json", "take at least one")
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left are %v (%v)", left, err)
	}
	evaluation := smallStep()
	evaluation.Loss = nil
	if p, err = b.Compile(t.Context(), evaluation); err != nil {
		t.Fatal(err)
	}
	closeTest(t, p) // has nothing to record
}

func TestProfileThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "none", "steps.json")
	_, err := openTest(t, backends.Options{Threads: 1, Profile: file}).Compile(t.Context(), smallStep())
	wantError(t, err, "compile", file)
}
