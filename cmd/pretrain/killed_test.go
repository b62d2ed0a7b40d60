package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/simclr"
)

func TestWeightsDoNotDependOnWorkersOrKills(t *testing.T) {
	one, two, killed := t.TempDir(), t.TempDir(), ""
	if code, out := pretrain(t, small(t, one, "-workers", "1")...); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	if code, out := pretrain(t, small(t, two, "-workers", "2", "-prefetch", "5")...); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	want := weightsDigest(t, one)
	if got := weightsDigest(t, two); got != want {
		t.Errorf("weights %s with two workers, %s with one", got, want)
	}
	kills := 0
	for kills == 0 { // a run may be over before it is killed
		killed = t.TempDir()
		for attempt := range 3 {
			p := start(t, append(small(t, killed), "-resume")...)
			p.waitForStep(t, killed, 4+7*attempt)
			time.Sleep(time.Duration(attempt*13) * time.Millisecond)
			if p.kill(t) {
				kills++
			} else if code := p.ProcessState.ExitCode(); code != 0 {
				t.Fatalf("exit code %d: %s", code, p.said.String())
			}
		}
	}
	if code, out := pretrain(t, "-resume", "-out", killed); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	if got := weightsDigest(t, killed); got != want {
		t.Errorf("weights %s after %d kills, %s without", got, kills, want)
	}
}

// A process is the command while it runs.
type process struct {
	*exec.Cmd
	said  bytes.Buffer  // to be read when it has ended
	ended chan struct{} // is closed then
}

// start starts the command, which ends with the test at the latest.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: command(args...), ended: make(chan struct{})}
	p.Stdout, p.Stderr = &p.said, &p.said
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.Wait() // ProcessState tells
	}()
	t.Cleanup(func() { p.kill(t) })
	return p
}

// kill ends the process, and tells whether it was still running.
func (p *process) kill(t *testing.T) bool {
	t.Helper()
	if err := p.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	<-p.ended
	return p.ProcessState.ExitCode() < 0
}

// waitForStep returns when the run has a checkpoint of that step or a later one.
func (p *process) waitForStep(t *testing.T, dir string, step int) {
	t.Helper()
	p.waitFor(t, fmt.Sprintf("a checkpoint of step %d", step), func() bool {
		c, err := simclr.ReadCheckpoint(dir)
		return err == nil && c.Step >= step
	})
}

// waitFor returns when something is there, however long that takes the process.
func (p *process) waitFor(t *testing.T, what string, there func() bool) {
	t.Helper()
	for !there() {
		select {
		case <-p.ended:
			if !there() {
				t.Fatalf("the command has ended without %s: %s", what, p.said.String())
			}
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestInterruptSavesTheRun(t *testing.T) {
	dir := t.TempDir()
	p := start(t, small(t, dir, "-checkpoint-every", "1000", "-max-steps", "0", "-epochs", "1000000")...)
	p.waitFor(t, "a step", func() bool {
		records, err := simclr.ReadMetrics(dir)
		return err == nil && len(records) > 0
	})
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if code := p.ProcessState.ExitCode(); code != 130 {
		t.Errorf("an interrupted run ends with exit code %d, want 130", code)
	}
	if !strings.Contains(p.said.String(), "pretrain -resume -out "+dir) {
		t.Errorf("it does not say how to go on: %s", p.said.String())
	}
	last, err := simclr.ReadCheckpoint(dir)
	if err != nil || last.Step == 0 {
		t.Errorf("checkpoint %+v (%v)", last, err)
	}
}

// TestBadImagesAndKills kills a run again and again while it meets bad images: at the end each is set aside once.
func TestBadImagesAndKills(t *testing.T) {
	images := t.TempDir()
	for i := range 40 {
		b := grey(t)
		if i%2 == 0 {
			b = []byte{byte(i)}
		}
		if err := os.WriteFile(filepath.Join(images, fmt.Sprintf("%02d.jpg", i)), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	args := small(t, dir, "-data", images, "-max-bad", "1", "-epochs", "1", "-max-steps", "10", "-checkpoint-every", "1", "-resume")
	for attempt := range 3 {
		p := start(t, args...)
		p.waitForStep(t, dir, 1+3*attempt)
		p.kill(t)
	}
	if code, out := pretrain(t, args...); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	seen := map[uint64]bool{}
	for bad, err := range datasets.ReadQuarantine(dir) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[bad.ID] || bad.ID%2 != 0 || !bytes.Equal(bad.Bytes, []byte{byte(bad.ID)}) {
			t.Errorf("image %d, %s of %v is there, seen %t", bad.ID, bad.Key, bad.Bytes, seen[bad.ID])
		}
		seen[bad.ID] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d bad images are set aside, want 20", len(seen))
	}
}
