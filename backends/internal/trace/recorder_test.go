package trace

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// entries are the names in a folder.
func entries(t *testing.T, folder string) []string {
	t.Helper()
	list, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// TestRecorder records two runs, and reads them as viewers and the table do. Time in it is that of synctest, which takes none by itself.
func TestRecorder(t *testing.T) { synctest.Test(t, testRecorder) }

func testRecorder(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "steps.json")
	r, err := NewRecorder(file)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		start := time.Now()
		for _, name := range []string{`Conv#1 "3x3"`, "ReLU#2"} {
			r.Operator(name, strings.SplitN(name, "#", 2)[0], "cpu", time.Now().Add(-time.Millisecond))
		}
		r.Run(start.Add(-10 * time.Millisecond))
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the trace is there before its end (%v)", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var events []event
	if err := json.Unmarshal(text, &events); err != nil || len(events) != 6 {
		t.Fatalf("%d events (%v) in\n%s", len(events), err, text)
	}
	if e := events[0]; e.Name != `Conv#1 "3x3"_kernel_time` || e.Phase != "X" || e.Duration != 1000 || e.Args != (args{"Conv", "cpuExecutionProvider"}) {
		t.Errorf("the first event is %+v", e)
	}
	if e := events[5]; e.Name != runName || e.Category != runCategory || e.Duration != 10000 {
		t.Errorf("the last event is %+v", e)
	}
	table, err := os.ReadFile(file + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 steps, 10.", "2       1.", "Conv (cpu)", "ReLU (cpu)", "outside of operators"} {
		if !strings.Contains(strings.Join(strings.Fields(string(table)), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if left := entries(t, folder); len(left) != 2 {
		t.Errorf("beside the trace and the table there are %v", left)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the trace has mode %v (%v)", info.Mode(), err)
	}
}

// TestRecorderWithoutRuns ends before anything has run to its end.
func TestRecorderWithoutRuns(t *testing.T) {
	for name, record := range map[string]func(r *Recorder){
		"nothing": func(*Recorder) {}, "half a run": func(r *Recorder) { r.Operator("Conv#1", "Conv", "cpu", time.Now()) },
	} {
		folder := t.TempDir()
		r, err := NewRecorder(filepath.Join(folder, "steps.json"))
		if err != nil {
			t.Fatal(err)
		}
		record(r)
		if err := r.Close(); !errors.Is(err, errNoRun) || !strings.Contains(err.Error(), "steps.json") {
			t.Errorf("%s: %v", name, err)
		}
		if left := entries(t, folder); len(left) > 0 {
			t.Errorf("%s leaves %v", name, left)
		}
	}
}

// TestNoRecorder calls all methods of none.
func TestNoRecorder(t *testing.T) {
	r, err := NewRecorder("")
	if r != nil || err != nil {
		t.Errorf("no file is recorded by %v (%v)", r, err)
	}
	r.Operator("Conv#1", "Conv", "cpu", time.Now())
	r.Run(time.Now())
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestRecorderWithoutPlace has no folder to write to, then loses the place of the trace.
func TestRecorderWithoutPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "none", "steps.json")
	if _, err := NewRecorder(file); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), file) {
		t.Errorf("a recorder in no folder: %v", err)
	}
	folder := t.TempDir()
	file = filepath.Join(folder, "steps.json")
	if err := os.Mkdir(file, 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := NewRecorder(file)
	if err != nil {
		t.Fatal(err)
	}
	r.Run(time.Now())
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a trace over a folder: %v", err)
	}
	if left := entries(t, folder); len(left) != 1 {
		t.Errorf("left are %v", left)
	}
}

// TestRecorderCannotWrite keeps the first error of writing until Close.
func TestRecorderCannotWrite(t *testing.T) {
	folder := t.TempDir()
	r, err := NewRecorder(filepath.Join(folder, "steps.json"))
	if err != nil {
		t.Fatal(err)
	}
	r.aside.Close()
	for range 1000 { // more than is kept in memory
		r.Run(time.Now())
	}
	if err := r.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Close after writing failed: %v", err)
	}
	if left := entries(t, folder); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}
