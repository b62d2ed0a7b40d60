package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/goclr/goclr/datasets"
)

func TestExitCode(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		run  func() error
		code int
		says string
	}{
		{"success", t.Context(), func() error { return nil }, ExitOK, ""},
		{"help", t.Context(), func() error { return flag.ErrHelp }, ExitOK, ""},
		{"failure", t.Context(), func() error { return errors.New("disk on fire") }, ExitFailure, "try: disk on fire\n"},
		{"usage", t.Context(), func() error { return fmt.Errorf("in: %w", Usagef("no %s", "flag")) }, ExitUsage, "no flag"},
		{"interrupted", cancelled, func() error { return fmt.Errorf("x: %w", context.Canceled) }, ExitInterrupted, "interrupted"},
		{"failed while interrupted", cancelled, func() error { return errors.New("disk full") }, ExitFailure, "disk full"},
		{"panic", t.Context(), func() error { panic("boom") }, ExitFailure, "internal error: boom"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			code := exitCode(c.ctx, "try", nil, &out, func(context.Context, []string) error { return c.run() })
			if code != c.code || !strings.Contains(out.String(), c.says) || (c.says == "") != (out.Len() == 0) {
				t.Errorf("exit code %d, %q; want %d and %q", code, out.String(), c.code, c.says)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		args string
		in   string
		rest []string
		err  string
	}{
		{"-in a -workers 3", "a", nil, ""},
		{"verify -in a DIR -workers=3", "a", []string{"verify", "DIR"}, ""},
		{"-in a -- -workers 3", "a", []string{"-workers", "3"}, ""},
		{"x -- -y", "", []string{"x", "-y"}, ""},
		{"-wokers 3", "", nil, "unknown flag -wokers; did you mean -workers?"},
		{"-max-ba 3", "", nil, "did you mean -max-bad?"},
		{"-zzzzzz", "", nil, "unknown flag -zzzzzz"},
		{"-workers many", "", nil, `invalid value "many" for flag -workers`},
		{"-in", "", nil, "flag needs an argument: -in"},
	} {
		f := NewFlags("try", "")
		in := f.String("in", "", "")
		f.Int("workers", 2, "")
		f.Float64("max-bad", 0, "")
		err := f.Parse(strings.Fields(c.args))
		if c.err != "" {
			var usage *UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: error %v, want %q", c.args, err, c.err)
			}
			continue
		}
		if err != nil || *in != c.in || strings.Join(f.Args(), " ") != strings.Join(c.rest, " ") {
			t.Errorf("%q: in %q, rest %q, error %v", c.args, *in, f.Args(), err)
		}
	}
}

func TestHelp(t *testing.T) {
	f := NewFlags("try", "try does a thing.\n\nExamples:\n  try -in a\n")
	f.String("in", "here", "where from, a `path`")
	var out strings.Builder
	f.out = &out
	if err := f.Parse([]string{"-help"}); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	want := "try does a thing.\n\nExamples:\n  try -in a\n\nFlags:\n" +
		"  -cpuprofile file\n    \twrite a CPU profile to this file, for go tool pprof\n" +
		"  -in path\n    \twhere from, a path (default \"here\")\n" +
		"  -trace file\n    \twrite an execution trace to this file, for go tool trace\n"
	if out.String() != want {
		t.Errorf("help is\n%q, want\n%q", out.String(), want)
	}
}

func TestGiven(t *testing.T) {
	f := NewFlags("try", "")
	f.Int("n", 1, "")
	f.Int("m", 1, "")
	if err := f.Parse([]string{"-n", "1"}); err != nil {
		t.Fatal(err)
	}
	if !f.Given("n") || f.Given("m") {
		t.Error("Given must tell a flag at its default from one left out")
	}
}

func TestNearest(t *testing.T) {
	known := []string{"resnet18", "resnet34", "resnet50", "onnx", "gorgonia", "knn"}
	for word, want := range map[string]string{
		"resnet-18": "resnet18", "ResNet50": "resnet50", "onxn": "onnx", "gorg": "gorgonia", "kn": "knn", "vit": "", "": "",
	} {
		got, ok := Nearest(word, known)
		if got != want || ok != (want != "") {
			t.Errorf("Nearest(%q) = %q, %v; want %q", word, got, ok, want)
		}
	}
	for _, c := range []struct {
		a, b string
		n    int
	}{{"", "", 0}, {"a", "", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"workers", "wokrers", 1}} {
		if n := edits(c.a, c.b); n != c.n {
			t.Errorf("edits(%q, %q) = %d, want %d", c.a, c.b, n, c.n)
		}
	}
}

func TestLine(t *testing.T) {
	clock := time.Unix(100, 0)
	newLine := func(w io.Writer, every time.Duration, width func() int) *Line {
		return &Line{w: w, width: width, every: every, now: func() time.Time { return clock }}
	}
	drive := func(l *Line) {
		l.Show("step 1")
		l.Show("step 2") // too soon
		l.Printf("note %d", 7)
		clock = clock.Add(time.Minute)
		l.Show("step 3")
		l.Show("step 4") // too soon, but the last
		l.Close()
	}
	var log strings.Builder
	drive(newLine(&log, logEvery, nil))
	if want := "step 1\nnote 7\nstep 3\nstep 4\n"; log.String() != want {
		t.Errorf("in a log: %q, want %q", log.String(), want)
	}
	var screen strings.Builder
	drive(newLine(&screen, terminalEvery, func() int { return 6 })) // one column stays free
	want := "\rstep \x1b[K\r\x1b[Knote 7\n\rstep \x1b[K\rstep \x1b[K\rstep \x1b[K\n"
	if screen.String() != want {
		t.Errorf("on a terminal: %q, want %q", screen.String(), want)
	}
	if NewLine(io.Discard).Terminal() {
		t.Error("io.Discard taken for a terminal")
	}
}

func TestMeter(t *testing.T) {
	clock := time.Unix(0, 0)
	m := NewMeter("images", 10, 110)
	m.start, m.now = clock, func() time.Time { return clock }
	if got := m.Text(10); got != "[=>                  ]   9 %  10/110 images  ?/s  ? left" {
		t.Errorf("at the start: %q", got)
	}
	clock = clock.Add(time.Millisecond)
	if got := m.Text(11); got != "[==>                 ]  10 %  11/110 images  ?/s  ? left" {
		t.Errorf("a moment later: %q", got)
	}
	clock = clock.Add(1999 * time.Millisecond)
	if got := m.Text(60); got != "[==========>         ]  54 %  60/110 images  25.0/s  2s left" {
		t.Errorf("halfway: %q", got)
	}
	if got := m.Text(110); got != "[====================] 100 %  110/110 images  50.0/s  0s left" {
		t.Errorf("at the end: %q", got)
	}
	for d, want := range map[time.Duration]string{
		-1: "?", 0: "0s", 59600 * time.Millisecond: "1m00s", 130 * time.Second: "2m10s", 11100 * time.Second: "3h05m",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestInterruptedError(t *testing.T) {
	var out strings.Builder
	code := exitCode(t.Context(), "try", nil, &out, func(context.Context, []string) error {
		return fmt.Errorf("wrapped: %w", &InterruptedError{"stopped; go on with: try again"})
	})
	if want := "try: wrapped: stopped; go on with: try again\n"; code != ExitInterrupted || out.String() != want {
		t.Errorf("exit code %d, %q; want %d, %q", code, out.String(), ExitInterrupted, want)
	}
}

func TestSetOthers(t *testing.T) {
	f := NewFlags("try", "Try tries.")
	a, b, _ := f.Int("a", 1, ""), f.Int("b", 2, ""), f.Int("c", 3, "")
	if err := f.Parse([]string{"-a", "1"}); err != nil {
		t.Fatal(err)
	}
	if err := f.SetOthers(map[string]string{"a": "7", "b": "8", "gone": "9"}); err != nil || *a != 1 || *b != 8 {
		t.Errorf("a is %d, b is %d, error %v; want 1 and 8", *a, *b, err)
	}
	if err := f.SetOthers(map[string]string{"c": "x"}); err == nil || !strings.Contains(err.Error(), "setting c") {
		t.Errorf("a value that is no number: %v", err)
	}
}

// TestShowOpening: nothing is said of what is soon done.
func TestShowOpening(t *testing.T) {
	var out strings.Builder
	clock := time.Unix(1_000_000, 0)
	now := func() time.Time { return clock }
	show := showOpening("photos.tar.gz", &Line{w: &out, every: logEvery, now: now}, now)
	show(datasets.Opening{Images: 1000})
	if out.Len() > 0 {
		t.Errorf("said at once: %q", out.String())
	}
	for _, o := range []datasets.Opening{{Images: 5000}, {Images: 6000, Bytes: 3 << 30}} {
		clock = clock.Add(logEvery)
		show(o)
	}
	want := "opening photos.tar.gz: 5000 images listed\nopening photos.tar.gz: 6000 images listed, 3072 MiB unpacked or copied\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
