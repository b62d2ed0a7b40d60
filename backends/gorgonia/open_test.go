package gorgonia

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
)

// TestInfo compares the version that Info tells with that in go.mod.
func TestInfo(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "\tgorgonia.org/gorgonia "+version+"\n") {
		t.Errorf("go.mod does not require Gorgonia %s: correct the constant", version)
	}
	for want, o := range map[string]backends.Options{
		"goclr's operators": {}, "plain Go of " + runtime.Version(): {StandardOperators: true},
	} {
		info := openTest(t, o).Info()
		if info.Backend != "gorgonia" || info.Device != "cpu" || info.Threads != runtime.NumCPU() {
			t.Errorf("Info is %+v", info)
		}
		if !strings.HasPrefix(info.Library, "Gorgonia "+version+" with ") || !strings.Contains(info.Library, want) && hasCgo() {
			t.Errorf("the library is %q, want one with %q", info.Library, want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		options backends.Options
		says    string
	}{
		{backends.Options{Device: "tpu"}, `unknown device "tpu": this backend has cpu and cuda:N`},
		{backends.Options{Library: "lib/libonnxruntime.so"}, "lib/libonnxruntime.so would be the library of ONNX Runtime"},
		{backends.Options{Precision: "bf16"}, `precision "bf16"`},
		{backends.Options{AnyOrder: true}, "only backend gorgonia on a device cuda:N has"},
		{backends.Options{Device: "cuda:0", Precision: "fp8"}, `unknown precision "fp8"`},
		{backends.Options{Device: "cuda:0", StandardOperators: true}, "StandardOperators"},
		{backends.Options{Device: "cuda:0", Profile: "steps.json"}, "nsys"},
		{backends.Options{Threads: -1}, "at least 1"},
		{backends.Options{Provider: "OpenVINO"}, "use backend onnx"},
		{backends.Options{ProviderOptions: map[string]string{"a": "b"}}, "use backend onnx"},
	} {
		_, err := backends.Open(t.Context(), "gorgonia", c.options)
		wantError(t, err, "gorgonia", c.says)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := backends.Open(cancelled, "gorgonia", backends.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with a cancelled context: %v", err)
	}
	if _, err := openTest(t, backends.Options{}).Compile(cancelled, smallStep()); !errors.Is(err, context.Canceled) {
		t.Errorf("Compile with a cancelled context: %v", err)
	}
}

// TestClosedProgram calls what a closed program refuses.
func TestClosedProgram(t *testing.T) {
	s := smallStep()
	p := compileTest(t, openTest(t, backends.Options{Threads: 1}), s)
	w, batch, dz := weightsOf(s, 1), smallBatch(t, 1), make([]float32, s.Project.Size())
	if err := p.Backward(t.Context(), batch, dz); err != nil {
		t.Fatal(err)
	}
	closeTest(t, p)
	closeTest(t, p)
	for name, call := range map[string]func() error{
		"Step":         func() error { _, err := p.Step(t.Context(), batch, 1); return err },
		"Embed":        func() error { _, err := p.Embed(t.Context(), batch, backends.Train); return err },
		"Backward":     func() error { return p.Backward(t.Context(), batch, dz) },
		"Gradients":    func() error { _, err := p.Gradients(); return err },
		"SetGradients": func() error { return p.SetGradients(w) },
		"Update":       func() error { return p.Update(1) },
		"Load":         func() error { return p.Load(w) },
		"Save":         func() error { _, err := p.Save(); return err },
	} {
		if err := call(); !errors.Is(err, errClosed) {
			t.Errorf("%s of a closed program: %v", name, err)
		}
	}
}

// TestClosedBackend closes the backend before its programs, which go on.
func TestClosedBackend(t *testing.T) {
	b := openTest(t, backends.Options{Threads: 2})
	first, second := compileTest(t, b, smallStep()), compileTest(t, b, smallStep())
	closeTest(t, b)
	closeTest(t, b)
	_, err := b.Compile(t.Context(), smallStep())
	wantError(t, err, "compile", "closed")
	want := stepTest(t, first, smallBatch(t, 1))
	closeTest(t, first)
	closeTest(t, first)
	if got := stepTest(t, second, smallBatch(t, 1)); got != want {
		t.Errorf("the step of the last program says %v, want %v", got, want)
	}
}

// TestOnlyOnRequest lists what packages depend on: who does not import the backend builds nothing of Gorgonia.
func TestOnlyOnRequest(t *testing.T) {
	command, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command")
	}
	list := exec.CommandContext(t.Context(), command, "list", "-deps",
		"./pipeline", "./stages", "./datasets", "./simclr", "./backends", "./backends/onnx")
	list.Dir = filepath.Join("..", "..")
	list.Env = append(os.Environ(), "CGO_ENABLED=1") // backend onnx has no other form
	list.Stderr = os.Stderr
	packages, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(packages)) {
		if strings.HasPrefix(name, "gorgonia.org/") || strings.HasPrefix(name, "gonum.org/v1/gonum/graph") ||
			strings.HasPrefix(name, "github.com/goclr/goclr/backends/gorgonia") {
			t.Errorf("%s is built for those who do not ask for it", name)
		}
	}
}
