package onnx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// TestStateAlternates takes an odd and an even number of steps: a counter grows by a tensor that no step changes, and
// two tensors change places.
func TestStateAlternates(t *testing.T) {
	s := stepOf(2, 4, func(g *graph.Graph, _, _ *graph.Node) []graph.Update {
		counter, by := g.State("counter", 1), g.State("by", 1)
		left, right := g.State("left", 1), g.State("right", 1)
		return []graph.Update{
			{Target: counter, Value: g.Add(counter, by)},
			{Target: left, Value: right},
			{Target: right, Value: left},
		}
	})
	b := openTest(t)
	defer closeTest(t, b)
	p := programOf(t, b, s)
	defer closeTest(t, p)
	w := randomWeights(s)
	for i := range w {
		if v := slices.Index([]string{"", "by", "left", "right"}, w[i].Name); v > 0 {
			w[i].Data[0] = float32(v)
		}
		if w[i].Name == "counter" {
			w[i].Data[0] = 10
		}
	}
	if err := p.Load(w); err != nil {
		t.Fatal(err)
	}
	batch := pairsOf(t, 2, 4)
	for i := range 5 {
		if _, err := p.Step(t.Context(), batch, 0); err != nil {
			t.Fatal(err)
		}
		got, err := p.Save()
		if err != nil {
			t.Fatal(err)
		}
		left, right := float32(3), float32(2)
		if i%2 == 1 {
			left, right = right, left
		}
		for name, want := range map[string]float32{"counter": 11 + float32(i), "by": 1, "left": left, "right": right} {
			if tensor, _ := got.Find(name); tensor.Data[0] != want {
				t.Errorf("after step %d %s is %g, want %g", i+1, name, tensor.Data[0], want)
			}
		}
	}
}

// TestManySteps follows the reference for more steps than the conformance suite does, through both sets of tensors.
func TestManySteps(t *testing.T) {
	s := blockOf(3, 6, 4, 2)
	oracle, err := backends.Open(t.Context(), "reference", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := openTest(t)
	defer closeTest(t, b)
	got, want := programOf(t, b, s), programOf(t, oracle, s)
	defer closeTest(t, got)
	batch := pairsOf(t, 3, 6)
	for i := range 9 {
		g, err := got.Step(t.Context(), batch, 0.05)
		if err != nil {
			t.Fatal(err)
		}
		w, err := want.Step(t.Context(), batch, 0.05)
		if err != nil {
			t.Fatal(err)
		}
		if d := g.Loss - w.Loss; d > 1e-4 || d < -1e-4 {
			t.Errorf("step %d: loss %g, want %g", i+1, g.Loss, w.Loss)
		}
	}
}

// TestCancelledStep cancels in the middle of a step, until one has ended well before it would have. None leaves a trace.
func TestCancelledStep(t *testing.T) {
	s := blockOf(32, 24, 32, 12)
	b := openTest(t)
	defer closeTest(t, b)
	p := programOf(t, b, s)
	defer closeTest(t, p)
	batch := pairsOf(t, 32, 24)
	whole, shortest := time.Hour, time.Hour
	for shortest > whole*3/4 { // whatever else the machine does
		start := time.Now()
		if _, err := p.Step(t.Context(), batch, 0.1); err != nil {
			t.Fatal(err)
		}
		whole = min(whole, time.Since(start))
		before, err := p.Save()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), whole/4)
		start = time.Now()
		_, err = p.Step(ctx, batch, 0.1)
		took := time.Since(start)
		cancel()
		if err == nil { // it was over before this process was told that the time is
			continue
		}
		shortest = min(shortest, took)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v, want that of the context", err)
		}
		after, err := p.Save()
		if err != nil {
			t.Fatal(err)
		}
		for i := range after {
			if !slices.Equal(after[i].Data, before[i].Data) {
				t.Errorf("%s has changed", after[i].Name)
			}
		}
	}
	t.Logf("a step takes %v; cancelled after a quarter of that, %v", whole, shortest)
	if _, err := p.Step(t.Context(), batch, 0.1); err != nil {
		t.Errorf("the next step: %v", err)
	}
}

func TestCompileErrors(t *testing.T) {
	b := openTest(t)
	defer closeTest(t, b)
	for name, build := range map[string]func(g *graph.Graph, w, loss *graph.Node) []graph.Update{
		"unknown operation": func(g *graph.Graph, w, _ *graph.Node) []graph.Update {
			y := g.Scale(w, 2)
			y.Op = "Nonsense"
			return []graph.Update{{Target: w, Value: y}}
		},
		"operation that ONNX Runtime refuses": func(g *graph.Graph, w, _ *graph.Node) []graph.Update {
			other := g.State("other", 3, 4)
			y := g.Add(w, other)
			other.Shape = []int{5}
			return []graph.Update{{Target: w, Value: y}}
		},
		"two tensors of one name": func(g *graph.Graph, w, _ *graph.Node) []graph.Update {
			return []graph.Update{{Target: w, Value: g.Add(w, g.State("w", 3, 4))}}
		},
		"two updates of one tensor": func(_ *graph.Graph, w, _ *graph.Node) []graph.Update {
			return []graph.Update{{Target: w, Value: w}, {Target: w, Value: w}}
		},
		"two images": func(g *graph.Graph, w, _ *graph.Node) []graph.Update {
			x := g.Image("views", 3, 2, 2, [3]float64{}, [3]float64{1, 1, 1})
			mean := g.State("mean", 3, 3)
			return []graph.Update{{Target: mean, Value: g.AvgPool(x)}}
		},
		"two vectors of labels": func(g *graph.Graph, _, _ *graph.Node) []graph.Update {
			first, second := g.State("first"), g.State("second")
			return []graph.Update{
				{Target: first, Value: g.CrossEntropy(g.State("x", 4, 3), g.Labels(4, 3))},
				{Target: second, Value: g.CrossEntropy(g.State("y", 4, 2), g.Labels(4, 2))},
			}
		},
		"another column": func(g *graph.Graph, w, _ *graph.Node) []graph.Update {
			for _, n := range g.Nodes {
				if n.Op == graph.OpImage {
					n.Name = "images"
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			holders, size := environment.holders, heap.AllocatedBytes()
			p, err := b.Compile(t.Context(), stepOf(2, 4, build))
			if err == nil {
				p.Close()
				t.Fatal("no error")
			}
			t.Log(err)
			if environment.holders != holders || heap.AllocatedBytes() != size {
				t.Errorf("%d holders and %d bytes are left", environment.holders-holders, heap.AllocatedBytes()-size)
			}
		})
	}
}

// TestNoMemoryIsKept compiles, steps and closes again and again. Each time takes over 10 MB; what is kept would add up.
func TestNoMemoryIsKept(t *testing.T) {
	b := openTest(t)
	defer closeTest(t, b)
	batch := pairsOf(t, 16, 16)
	cycle := func(steps int) {
		p := programOf(t, b, blockOf(16, 16, 32, 3))
		defer closeTest(t, p)
		for range steps {
			if _, err := p.Step(t.Context(), batch, 0.01); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Embed(t.Context(), batch, backends.Train); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 {
		cycle(1)
	}
	before := residentMB(t)
	for range 12 {
		cycle(2)
	}
	if heap.AllocatedBytes() != 0 {
		t.Errorf("%d bytes of tensors are left", heap.AllocatedBytes())
	}
	if after := residentMB(t); after > before+60 {
		t.Errorf("the process has grown from %d to %d MB", before, after)
	}
}

// residentMB is the memory of the process, after a garbage collection.
func residentMB(t *testing.T) int {
	t.Helper()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("needs /proc: ", err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize() >> 20
}

func TestViewsAreNotCopied(t *testing.T) {
	closer := openTest(t)
	defer closeTest(t, closer)
	n := (&graph.Graph{}).Image("views", 6, 4, 4, [3]float64{}, [3]float64{1, 1, 1})
	record := pairsOf(t, 8, 4).NewSlice(2, 5)
	defer record.Release()
	bytes, _, err := pipeline.Views(record)
	if err != nil {
		t.Fatal(err)
	}
	v, err := newViews(&model{image: n}, record, backends.Train)
	if err != nil {
		t.Fatal(err)
	}
	defer v.release()
	if got := v.value.GetData(); &got[0] != &bytes[0] || len(got) != len(bytes) {
		t.Error("the model reads other memory than that of the record")
	}
}

// BenchmarkBlock is a step of three convolutions with batch normalisation, 16 channels, 64 pairs of 32 by 32.
func BenchmarkBlock(b *testing.B) {
	backend := openTest(b)
	defer closeTest(b, backend)
	p := programOf(b, backend, blockOf(64, 32, 16, 3))
	defer closeTest(b, p)
	batch := pairsOf(b, 64, 32)
	for b.Loop() {
		if _, err := p.Step(b.Context(), batch, 0.01); err != nil {
			b.Fatal(err)
		}
	}
}
