package onnx

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/backendtest"
	"github.com/goclr/goclr/backends/internal/kernel"
)

// TestConformance runs the suite with goclr's operators for each set of instructions that this CPU has, and with the standard
// operators.
func TestConformance(t *testing.T) {
	for _, level := range kernel.Levels() {
		t.Run(level.String(), func(t *testing.T) {
			backendtest.Run(t, func(t *testing.T) backends.Backend {
				b := openTest(t)
				b.(*backend).settings.level = level
				return b
			}, backendtest.Options{})
		})
	}
	t.Run("standard operators", func(t *testing.T) {
		backendtest.Run(t, func(t *testing.T) backends.Backend {
			return openWith(t, backends.Options{Threads: 2, StandardOperators: true})
		}, backendtest.Options{})
	})
}

// TestOwnOperatorsAreInUse would notice if their trial failed and the standard operators did all the work.
func TestOwnOperatorsAreInUse(t *testing.T) {
	b := openWith(t, backends.Options{Warn: func(message string) { t.Error(message) }})
	defer closeTest(t, b)
	want := "goclr's operators " + kernel.Revision() + " for " + kernel.Fastest().String() + " ("
	_, by, ok := strings.Cut(b.Info().Library, want)
	if !ok || !strings.ContainsAny(by, "0123456789") {
		t.Errorf("the library is %q, want %q and the version of the compiler in it", b.Info().Library, want)
	}
	s := openWith(t, backends.Options{StandardOperators: true})
	defer closeTest(t, s)
	if strings.Contains(s.Info().Library, "goclr") {
		t.Errorf("with standard operators the library is %q", s.Info().Library)
	}
}

func TestOpenErrors(t *testing.T) {
	text := filepath.Join(t.TempDir(), "libonnxruntime.so.1")
	if err := os.WriteFile(text, []byte("not a library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options backends.Options
		want    []string // parts of the message
		is      error
	}{
		{"unknown device", backends.Options{Device: "tpu"}, []string{`"tpu"`, "has cpu and cuda:N"}, nil},
		{"negative threads", backends.Options{Threads: -1}, []string{"-1 threads", "at least 1"}, nil},
		{"no such library", backends.Options{Library: "/none/lib.so"}, []string{"/none/lib.so", "make setup"}, fs.ErrNotExist},
		{"not a library", backends.Options{Library: text}, []string{text, "make setup", LibraryEnv}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := backends.Open(t.Context(), "onnx", c.options)
			if err == nil {
				b.Close()
				t.Fatal("no error")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%q does not wrap %q", err, c.is)
			}
			closeTest(t, openTest(t)) // a failure does not spoil the next attempt
		})
	}
}

func TestOneLibraryAtATime(t *testing.T) {
	b := openTest(t)
	library := b.(*backend).library
	other := filepath.Join(t.TempDir(), "libonnxruntime.so.1")
	if err := os.Symlink(library, other); err != nil {
		t.Fatal(err)
	}
	if _, err := backends.Open(t.Context(), "onnx", backends.Options{Library: other}); err == nil ||
		!strings.Contains(err.Error(), library) || !strings.Contains(err.Error(), other) {
		t.Errorf("a second library: error %v", err)
	}
	closeTest(t, b)
	b, err := backends.Open(t.Context(), "onnx", backends.Options{Library: other})
	if err != nil {
		t.Fatalf("after the first was closed: %v", err)
	}
	closeTest(t, b)
}

// TestLibraryIsHeld: a program works on after its backend is closed, and the library is unloaded with the last of them.
func TestLibraryIsHeld(t *testing.T) {
	b := openTest(t)
	p := programOf(t, b, blockOf(2, 4, 2, 1))
	closeTest(t, b)
	closeTest(t, b)
	if _, err := b.Compile(t.Context(), blockOf(2, 4, 2, 1)); err == nil {
		t.Error("a closed backend compiles")
	}
	if _, err := p.Step(t.Context(), pairsOf(t, 2, 4), 0.1); err != nil {
		t.Error(err)
	}
	closeTest(t, p)
	closeTest(t, p)
	if environment.holders != 0 {
		t.Errorf("%d still hold the library", environment.holders)
	}
}

func TestConcurrentPrograms(t *testing.T) {
	closeTest(t, openTest(t)) // skips
	batch := pairsOf(t, 2, 4)
	losses := make([]float32, 8)
	var group sync.WaitGroup
	for i := range losses {
		group.Add(1)
		go func() {
			defer group.Done()
			b, err := backends.Open(t.Context(), "onnx", backends.Options{Threads: 1})
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Close()
			s := blockOf(2, 4, 2, 2)
			p, err := b.Compile(t.Context(), s)
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Close()
			if err := p.Load(randomWeights(s)); err != nil {
				t.Error(err)
			}
			for range 3 {
				m, err := p.Step(t.Context(), batch, 0.1)
				if err != nil {
					t.Error(err)
				}
				losses[i] = m.Loss
			}
		}()
	}
	group.Wait()
	for _, l := range losses {
		if l != losses[0] || l == 0 {
			t.Errorf("losses %v differ", losses)
			break
		}
	}
}
