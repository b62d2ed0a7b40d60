package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/simclr"
)

// TestInit begins a run with the weights of another, which is then removed, and resumes it.
func TestInit(t *testing.T) {
	from, run := filepath.Join(t.TempDir(), "from"), t.TempDir()
	if code, out := pretrain(t, small(t, from, "-max-steps", "2")...); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	want := weightsDigest(t, from)
	begin := small(t, run, "-max-steps", "1", "-seed", "9", "-head", "linear", "-init", from)
	code, out := pretrain(t, begin...)
	if said := "tensors of " + from + " (sha256 " + want[:12] + ") to begin with; not used: projection."; code != 0 || !strings.Contains(out, said) {
		t.Fatalf("exit code %d, want 0 and %q in: %s", code, said, out)
	}
	if err := os.RemoveAll(from); err != nil {
		t.Fatal(err)
	}
	if code, out := pretrain(t, "-resume", "-out", run, "-max-steps", "2"); code != 0 {
		t.Errorf("resumed, exit code %d: %s", code, out)
	}
	c, err := simclr.ReadCheckpoint(run)
	if err != nil || c.Step != 2 || c.Config.InitSHA256 != want {
		t.Errorf("the checkpoint is %+v (%v)", c, err)
	}
	code, out = pretrain(t, "-resume", "-out", run, "-init", "")
	if code != 1 || !strings.Contains(out, "first weights random instead of sha256:"+want[:12]) {
		t.Errorf("resumed as if it had begun otherwise, exit code %d: %s", code, out)
	}
}
