package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// deadline is how long a process may take until it counts as hung: many times what any takes.
const deadline = 5 * time.Minute

// An ending is how a process ended.
type ending struct {
	code           int // -1: by a signal
	hung           bool
	stdout, stderr string
}

// crashed reports whether a process did not end by itself, or by a panic of Go, whose status is 2.
func (e ending) crashed() bool {
	return !e.hung && (e.code < 0 || strings.Contains(e.stderr, "goroutine ") || strings.Contains(e.stderr, "fatal error:"))
}

// A process is a program that runs.
type process struct {
	*exec.Cmd
	out, err bytes.Buffer
}

// command is a program that does not run yet. Its environment has credentials for a store that asks for none.
func command(ctx context.Context, name string, args ...string) *process {
	p := &process{Cmd: exec.CommandContext(ctx, name, args...)}
	p.Stdout, p.Stderr = &p.out, &p.err
	p.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret", "AWS_CONFIG_FILE="+os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true")
	p.WaitDelay = time.Second
	return p
}

// start starts a program.
func start(ctx context.Context, name string, args ...string) (*process, error) {
	p := command(ctx, name, args...)
	return p, p.Start()
}

// wait waits for the end of a process, at most for a deadline.
func (p *process) wait(deadline time.Duration) ending {
	hung := time.AfterFunc(deadline, func() { _ = p.Process.Kill() }) // it may have ended at this moment
	_ = p.Wait()                                                      // ProcessState tells
	e := ending{code: p.ProcessState.ExitCode(), stdout: p.out.String(), stderr: strings.TrimSpace(p.err.String())}
	e.hung = !hung.Stop()
	return e
}

// kill ends a process by SIGKILL, and reports whether it was running until then.
func (p *process) kill() bool {
	_ = p.Process.Kill()
	_ = p.Wait()
	status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// ingest runs ingest to its end.
func (b *bench) ingest(ctx context.Context, args ...string) (ending, error) {
	p, err := start(ctx, b.program, args...)
	if err != nil {
		return ending{}, err
	}
	return p.wait(deadline), ctx.Err()
}
