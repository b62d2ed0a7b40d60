package backendtest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// program compiles a step and closes the program when the test ends. Weights may be nil: then the tensors stay zero.
func program(t *testing.T, b backends.Backend, s *graph.Step, w backends.Weights) backends.Program {
	t.Helper()
	p, err := b.Compile(t.Context(), s)
	if err != nil {
		t.Fatalf("Compile: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close of the program: %v", err)
		}
	})
	if w != nil {
		if err := p.Load(w); err != nil {
			t.Fatalf("Load: %v", err)
		}
	}
	return p
}

// oracle is program on the reference backend.
func oracle(t *testing.T, s *graph.Step, w backends.Weights) backends.Program {
	t.Helper()
	b, err := backends.Open(t.Context(), "reference", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return program(t, b, s, w)
}

// step takes one step on the batch of pairs with the given seed.
func step(t *testing.T, p backends.Program, pix pixels, lr float32) backends.Metrics {
	t.Helper()
	m, err := p.Step(t.Context(), pix.record(t), lr)
	if err != nil {
		t.Fatalf("Step: %v", err)
	}
	return m
}

func save(t *testing.T, p backends.Program) backends.Weights {
	t.Helper()
	w, err := p.Save()
	if err != nil {
		t.Fatalf("Save: %v", err)
	}
	return w
}

func embed(t *testing.T, p backends.Program, pix pixels, m backends.Mode) backends.Embeddings {
	t.Helper()
	e, err := p.Embed(t.Context(), pix.record(t), m)
	if err != nil {
		t.Fatalf("Embed: %v", err)
	}
	if len(e.Data) != e.Rows*e.Dim {
		t.Fatalf("Embed returned %d numbers for %d vectors of %d", len(e.Data), e.Rows, e.Dim)
	}
	return e
}

// near checks that got is want, each element to within tolerance times the largest of want (or 1, where want is all
// zero).
func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s has %d elements, want %d", what, len(got), len(want))
		return
	}
	largest := 0.0
	for _, v := range want {
		largest = max(largest, math.Abs(float64(v)))
	}
	if largest == 0 {
		largest = 1
	}
	worst, at := 0.0, 0
	for i := range want {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if math.IsNaN(d) {
			d = math.Inf(1)
		}
		if d > worst {
			worst, at = d, i
		}
	}
	if worst > tolerance*largest {
		t.Errorf("%s: element %d is %v, want %v: off by %.1e of the largest element, allowed are %.1e",
			what, at, got[at], want[at], worst/largest, tolerance)
	}
}

// errorInNorm is the norm of the error of got relative to that of want (or to 1, where want is all zero); it is infinite where their
// lengths differ or something is not a number.
func errorInNorm(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var off, whole float64
	for i, v := range want {
		d := float64(got[i]) - float64(v)
		off += d * d
		whole += float64(v) * float64(v)
	}
	if whole == 0 {
		whole = 1
	}
	if relative := math.Sqrt(off / whole); !math.IsNaN(relative) {
		return relative
	}
	return math.Inf(1)
}

// nearInNorm checks that the norm of the error of got is within tolerance times that of want.
func nearInNorm(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if relative := errorInNorm(got, want); relative > tolerance {
		t.Errorf("%s is off by %.1e in norm, allowed are %.1e", what, relative, tolerance)
	}
}

// nearWeights checks all tensors as near does.
func nearWeights(t *testing.T, got, want backends.Weights, tolerance float64) {
	t.Helper()
	for _, w := range want {
		g, ok := got.Find(w.Name)
		if !ok {
			t.Errorf("Save returned no tensor %q", w.Name)
			continue
		}
		near(t, w.Name, g.Data, w.Data, tolerance)
	}
}

// same checks that two sets of weights are equal to the bit, names, shapes and order included.
func same(t *testing.T, what string, got, want backends.Weights) {
	t.Helper()
	if d := difference(got, want); d != "" {
		t.Errorf("%s: %s", what, d)
	}
}

// difference describes the first difference of two sets of weights, or is empty.
func difference(got, want backends.Weights) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d tensors, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		switch {
		case g.Name != w.Name || !slices.Equal(g.Shape, w.Shape):
			return fmt.Sprintf("tensor %d is %q %v, want %q %v", i, g.Name, g.Shape, w.Name, w.Shape)
		case !slices.EqualFunc(g.Data, w.Data, sameBits):
			return fmt.Sprintf("tensor %q differs", w.Name)
		}
	}
	return ""
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// cancelled is a context that is done.
func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
