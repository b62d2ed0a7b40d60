//go:build unix

package simclr

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk lets writes fail as they do on a full disk: no file may grow beyond a limit.
func TestFullDisk(t *testing.T) {
	r := Run{Dir: t.TempDir(), Config: testConfig(), MaxSteps: 5}
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	before := digest(t, r.Dir)

	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	small := limit
	small.Cur = 100_000
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	r.Resume, r.MaxSteps = true, 0
	err := train(t, r)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), "checkpoint of step 10") || !strings.Contains(err.Error(), "make room on the disk, then resume the run; the checkpoint before is intact") {
		t.Fatalf("error %v", err)
	}
	if got := digest(t, r.Dir); got != before {
		t.Errorf("the checkpoint before is not intact")
	}
	if err := train(t, r); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if got := digest(t, r.Dir); got != uninterrupted(t) {
		t.Errorf("with room again, the run does not end as if nothing had happened")
	}
}
