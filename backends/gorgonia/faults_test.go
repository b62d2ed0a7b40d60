package gorgonia

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/gorgonia/internal/cpu"
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// A faulty device does something of its own choice before a kernel runs, or memory is allocated.
type faulty struct {
	*cpu.Device
	before   func(op graph.Op) error
	allocate func(bytes int) error
}

func newFaulty(t testing.TB, o cpu.Options) *faulty {
	return &faulty{
		Device: newCPU(t, o), before: func(graph.Op) error { return nil }, allocate: func(int) error { return nil },
	}
}

func (d *faulty) Kernel(op graph.Op) (device.Kernel, bool) {
	k, ok := d.Device.Kernel(op)
	run := k.Run
	k.Run = func(c *device.Call) error {
		if err := d.before(op); err != nil {
			return err
		}
		return run(c)
	}
	return k, ok
}

func (d *faulty) Allocate(bytes int) (device.Memory, error) {
	if err := d.allocate(bytes); err != nil {
		return nil, err
	}
	return d.Device.Allocate(bytes)
}

// at does something when kernel k is about to run, counted from now on, and returns how many have run or begun.
func (d *faulty) at(k int, f func(op graph.Op) error) (count func() int) {
	n := 0
	d.before = func(op graph.Op) error {
		n++
		if n == k+1 {
			return f(op)
		}
		return nil
	}
	return func() int { return n }
}

func (d *faulty) open(t testing.TB) backends.Backend {
	b := newBackend(d, "faulty", backends.Options{Threads: 1})
	t.Cleanup(func() { closeTest(t, b) })
	return b
}

var errFault = errors.New("a fault of the device")

// faults are what may happen in a kernel.
var faults = []struct {
	name string
	do   func(cancel context.CancelFunc) error
	is   func(err error) bool
}{
	{"cancelled", func(cancel context.CancelFunc) error { cancel(); return nil }, func(err error) bool { return errors.Is(err, context.Canceled) }},
	{"error", func(context.CancelFunc) error { return errFault }, func(err error) bool { return errors.Is(err, errFault) }},
	{"panic", func(context.CancelFunc) error { panic("the kernel is broken") }, func(err error) bool { return err != nil && !errors.Is(err, errFault) }},
}

// TestFaultInTheMiddle lets each operator of a step fail in turn: an error says which, all tensors are as before, and the next step
// is that of a program in which nothing failed.
func TestFaultInTheMiddle(t *testing.T) {
	s := smallStep()
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			d := newFaulty(t, cpu.Options{Threads: 1})
			p := compileTest(t, d.open(t), s)
			stepTest(t, p, smallBatch(t, 1))
			before := saveTest(t, p)
			count := d.at(-1, nil)
			want := stepTest(t, p, smallBatch(t, 2))
			operators, after := count(), saveTest(t, p)
			if operators < 100 {
				t.Fatalf("a step takes %d kernels: it is not that of the network", operators)
			}
			for k := 0; k < operators; k += stride(operators) {
				if err := p.Load(before); err != nil {
					t.Fatal(err)
				}
				failAt(t, d, k, fault.do, fault.is, func(ctx context.Context) error {
					_, err := p.Step(ctx, smallBatch(t, 3), smallRate)
					return err
				})
				wantSame(t, fmt.Sprintf("after a fault at operator %d", k), saveTest(t, p), before)
				if got := stepTest(t, p, smallBatch(t, 2)); got != want {
					t.Fatalf("after a fault at operator %d the step says %v, want %v", k, got, want)
				}
				wantSame(t, fmt.Sprintf("a step after a fault at operator %d", k), saveTest(t, p), after)
			}
		})
	}
}

// stride is 1, or in short mode more: so many of operators are tried.
func stride(operators int) int {
	if testing.Short() {
		return operators/10 + 1
	}
	return 1
}

// failAt runs f, whose kernel k has a fault, and checks the error.
func failAt(t *testing.T, d *faulty, k int, fault func(context.CancelFunc) error, is func(error) bool, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var failed graph.Op
	d.at(k, func(op graph.Op) error {
		failed = op
		return fault(cancel)
	})
	err := f(ctx)
	d.before = func(graph.Op) error { return nil }
	if !is(err) {
		t.Fatalf("a fault at operator %d, %s, ended as: %v", k, failed, err)
	}
	if !errors.Is(err, context.Canceled) {
		wantError(t, err, string(failed))
	}
}

// TestFaultInBackward lets Backward and Update fail in the middle: gradients and statistics are as before, and what follows is as
// if nothing had failed.
func TestFaultInBackward(t *testing.T) {
	s := smallStep()
	d := newFaulty(t, cpu.Options{Threads: 1})
	p := compileTest(t, d.open(t), s)
	before := saveTest(t, p)
	dz := make([]float32, s.Project.Size())
	for i := range dz {
		dz[i] = float32(i%7) - 3
	}
	backward := func(seed uint64) func(ctx context.Context) error {
		return func(ctx context.Context) error { return p.Backward(ctx, smallBatch(t, seed), dz) }
	}
	update := func(context.Context) error { return p.Update(smallRate) }
	whole := func(between func(part func(ctx context.Context) error)) (backends.Weights, backends.Weights) {
		if err := p.Load(before); err != nil {
			t.Fatal(err)
		}
		var gradients backends.Weights
		for _, part := range []func(ctx context.Context) error{backward(1), backward(2), update} {
			between(part)
			if err := part(t.Context()); err != nil {
				t.Fatal(err)
			}
			if w, err := p.Gradients(); err == nil {
				gradients = w
			}
		}
		return gradients, saveTest(t, p)
	}
	wantGradients, want := whole(func(func(ctx context.Context) error) {})
	for _, fault := range faults {
		for k := 0; k < 16; k += 3 {
			gradients, got := whole(func(part func(ctx context.Context) error) {
				if fault.name == "cancelled" {
					return // Update takes no context
				}
				failAt(t, d, k, fault.do, func(err error) bool { return err != nil }, part)
			})
			wantSame(t, fmt.Sprintf("gradients after faults (%s) at operator %d", fault.name, k), gradients, wantGradients)
			wantSame(t, fmt.Sprintf("tensors after faults (%s) at operator %d", fault.name, k), got, want)
		}
	}
}

// TestCancelledBackward stops Backward in its middle.
func TestCancelledBackward(t *testing.T) {
	s := smallStep()
	d := newFaulty(t, cpu.Options{Threads: 1})
	p := compileTest(t, d.open(t), s)
	dz := make([]float32, s.Project.Size())
	dz[0] = 1
	if err := p.Backward(t.Context(), smallBatch(t, 1), dz); err != nil {
		t.Fatal(err)
	}
	want, err := p.Gradients()
	if err != nil {
		t.Fatal(err)
	}
	cancelled := faults[0]
	for k := 1; k < 60; k += 13 {
		failAt(t, d, k, cancelled.do, cancelled.is, func(ctx context.Context) error { return p.Backward(ctx, smallBatch(t, 2), dz) })
		got, err := p.Gradients()
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, fmt.Sprintf("gradients after a cancelled Backward, at operator %d", k), got, want)
	}
}

// TestNoMemory refuses each allocation in turn, of Compile and of the first Backward: an error says so, and what works without goes
// on as before.
func TestNoMemory(t *testing.T) {
	s := smallStep()
	d := newFaulty(t, cpu.Options{Threads: 1})
	b := d.open(t)
	refuse := func(k int) {
		n := 0
		d.allocate = func(bytes int) error {
			n++
			if n == k {
				return fmt.Errorf("no %d bytes: use a smaller batch", bytes)
			}
			return nil
		}
	}
	for k := 1; ; k++ {
		refuse(k)
		p, err := b.Compile(t.Context(), s)
		if err == nil {
			closeTest(t, p)
			if k < 3 {
				t.Errorf("Compile allocates %d times", k-1)
			}
			break
		}
		wantError(t, err, "compile", "use a smaller batch")
	}
	refuse(0)
	p := compileTest(t, b, s)
	before := saveTest(t, p)
	want := stepTest(t, p, smallBatch(t, 1))
	dz := make([]float32, s.Project.Size())
	for k := 1; ; k++ {
		if err := p.Load(before); err != nil {
			t.Fatal(err)
		}
		if err := p.(*program).memory.free(); err != nil { // as if Backward needed more than there is
			t.Fatal(err)
		}
		refuse(k)
		err := p.Backward(t.Context(), smallBatch(t, 1), dz)
		refuse(0)
		if err == nil {
			break
		}
		wantError(t, err, "backward", "use a smaller batch")
		wantSame(t, "tensors after a Backward that had no memory", saveTest(t, p), before)
		if got := stepTest(t, p, smallBatch(t, 1)); got != want {
			t.Errorf("after a Backward that had no memory the step says %v, want %v", got, want)
		}
	}
}

// TestMemoryError asks the device for more than there is.
func TestMemoryError(t *testing.T) {
	g := &graph.Graph{}
	x := g.Image("views", 1<<20, 1<<12, 1<<12, [3]float64{}, [3]float64{1, 1, 1})
	b := openTest(t, backends.Options{Threads: 1})
	_, err := b.Compile(t.Context(), &graph.Step{Graph: g, Features: g.AvgPool(x)})
	wantError(t, err, "compile", "MiB of memory", "use a smaller batch")
}
