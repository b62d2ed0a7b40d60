package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// try runs a command that does nothing but read its flags.
func try(args ...string) int {
	return exitCode(context.Background(), "try", args, io.Discard, func(_ context.Context, args []string) error {
		return NewFlags("try", "Try tries.").Parse(args)
	})
}

func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	cpu, trace := filepath.Join(dir, "cpu.pprof"), filepath.Join(dir, "run.trace")
	for range 2 { // the second time finds none running
		if code := try("-cpuprofile", cpu, "-trace", trace); code != ExitOK {
			t.Fatalf("exit code %d", code)
		}
		for name, magic := range map[string]string{cpu: "\x1f\x8b", trace: "go 1."} {
			if b, err := os.ReadFile(name); err != nil || !bytes.HasPrefix(b, []byte(magic)) {
				t.Errorf("%s begins with %q, %v; want %q", name, b[:min(len(b), 8)], err, magic)
			}
		}
	}
}

func TestProfileThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	cpu := filepath.Join(dir, "cpu.pprof")
	if code := try("-cpuprofile", cpu, "-trace", filepath.Join(dir, "no", "such", "folder")); code != ExitUsage {
		t.Errorf("exit code %d, want %d", code, ExitUsage)
	}
	if code := try("-cpuprofile", cpu); code != ExitOK {
		t.Errorf("exit code %d: the first profile was left running", code)
	}
}

// How a command is watched is no setting of what it does, which a run would keep.
func TestSettings(t *testing.T) {
	f := NewFlags("try", "Try tries.")
	f.Int("n", 3, "a number")
	if err := errors.Join(f.Parse([]string{"-n", "4", "-trace", filepath.Join(t.TempDir(), "x")}), stopProfiles()); err != nil {
		t.Fatal(err)
	}
	if got := f.Settings(); len(got) != 1 || got["n"] != "4" {
		t.Errorf("settings are %v", got)
	}
}
