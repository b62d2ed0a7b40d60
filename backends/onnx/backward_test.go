package onnx

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// dividedBlock is blockOf with gradients of its own.
func dividedBlock(pairs, size, channels, layers int) *graph.Step {
	s := blockOf(pairs, size, channels, layers)
	var params []*graph.Node
	for _, u := range s.Updates {
		params = append(params, u.Target)
	}
	s.Differentiate(params)
	for i, g := range s.Gradients {
		s.Updates[i].Value = s.Graph.Descend(g.Param, g.Value, s.Graph.Rate())
	}
	return s
}

// TestCancelledBackwardAddsNothing ends Backward between two operators.
func TestCancelledBackwardAddsNothing(t *testing.T) {
	s := dividedBlock(32, 16, 16, 6)
	b := openTest(t)
	defer closeTest(t, b)
	p := programOf(t, b, s)
	defer closeTest(t, p)
	batch := pairsOf(t, 32, 16)
	d := make([]float32, s.Project.Size())
	for i := range d {
		d[i] = float32(i%7) - 3
	}
	if err := p.Backward(t.Context(), batch, d); err != nil {
		t.Fatal(err)
	}
	for deadline := 5 * time.Millisecond; ; deadline /= 2 { // until it is slower than that
		before, err := p.Gradients()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		err = p.Backward(ctx, batch, d)
		cancel()
		if err == nil {
			continue
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v, want that of the context", err)
		}
		after, err := p.Gradients()
		if err != nil {
			t.Fatal(err)
		}
		for i := range after {
			if !slices.Equal(after[i].Data, before[i].Data) {
				t.Errorf("the gradient of %s has changed", after[i].Name)
			}
		}
		return
	}
}

// TestPlainProgramsHaveNoSums: what Backward needs is made when it is called, and freed with the program.
func TestPlainProgramsHaveNoSums(t *testing.T) {
	b := openTest(t)
	defer closeTest(t, b)
	holders, size := environment.holders, heap.AllocatedBytes()
	s := dividedBlock(4, 8, 8, 2)
	p := programOf(t, b, s)
	plain := heap.AllocatedBytes()
	batch := pairsOf(t, 4, 8)
	if _, err := p.Step(t.Context(), batch, 0.1); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Gradients(); !errors.Is(err, backends.ErrNoGradients) {
		t.Errorf("Gradients returned %v", err)
	}
	if got := heap.AllocatedBytes(); got != plain {
		t.Errorf("a step has taken %d bytes of tensors", got-plain)
	}
	if err := p.Backward(t.Context(), batch, make([]float32, s.Project.Size())); err != nil {
		t.Fatal(err)
	}
	closeTest(t, p)
	if environment.holders != holders || heap.AllocatedBytes() != size {
		t.Errorf("%d holders and %d bytes are left", environment.holders-holders, heap.AllocatedBytes()-size)
	}
	_, gradients := p.Gradients()
	for name, err := range map[string]error{
		"Backward":     p.Backward(t.Context(), batch, make([]float32, s.Project.Size())),
		"Gradients":    gradients,
		"SetGradients": p.SetGradients(nil),
		"Update":       p.Update(0.1),
	} {
		if !errors.Is(err, errClosed) {
			t.Errorf("%s of a closed program returned %v", name, err)
		}
	}
}

// TestBackwardThatCannotCompile leaves a program that still steps, and no memory behind.
func TestBackwardThatCannotCompile(t *testing.T) {
	b := openTest(t)
	defer closeTest(t, b)
	s := dividedBlock(4, 8, 8, 2)
	mixed := s.Graph.MatMul(s.Project, s.Project, false, true)
	mixed = s.Graph.Descend(mixed, mixed, s.Graph.Rate())
	s.Updates = append(s.Updates, graph.Update{Target: s.Graph.State("mixed", mixed.Shape...), Value: mixed})
	p := programOf(t, b, s)
	defer closeTest(t, p)
	size, batch := heap.AllocatedBytes(), pairsOf(t, 4, 8)
	if err := p.Backward(t.Context(), batch, make([]float32, s.Project.Size())); err == nil {
		t.Error("Backward computed an update that depends on the image and the rate")
	}
	if got := heap.AllocatedBytes(); got != size {
		t.Errorf("%d bytes are left", got-size)
	}
	if _, err := p.Step(t.Context(), batch, 0.1); err != nil {
		t.Error(err)
	}
}

// TestProfileOfBackward: a program that steps in parts has the profile of those, not of steps that it never took.
func TestProfileOfBackward(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ops.json")
	b, err := backends.Open(t.Context(), "onnx", backends.Options{Threads: 2, Profile: file})
	if errors.Is(err, ErrNoLibrary) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, b)
	s := dividedBlock(4, 8, 8, 2)
	p := programOf(t, b, s)
	for range 3 {
		if err := p.Backward(t.Context(), pairsOf(t, 4, 8), make([]float32, s.Project.Size())); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Update(0.1); err != nil {
		t.Fatal(err)
	}
	closeTest(t, p)
	table, err := os.ReadFile(file + ".txt")
	if err != nil || !strings.Contains(string(table), "3 steps") || !strings.Contains(string(table), "ConvGradFilter") {
		t.Errorf("the table is %q (%v), want three steps", table, err)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 2 {
		t.Errorf("beside the trace and its table there is more: %v (%v)", left, err)
	}
}
