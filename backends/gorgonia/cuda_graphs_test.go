//go:build linux

package gorgonia

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
	"github.com/goclr/goclr/backends/graph"
)

// A diary tells what libraries were asked for since it was last read.
type diary struct {
	libraries *stub.Libraries
	read      int
}

func newDiary(l *stub.Libraries) *diary { return &diary{l, len(l.Log())} }

// count is how many new lines begin with each of some words.
func (d *diary) count(words ...string) map[string]int {
	lines := d.libraries.Log()[d.read:]
	d.read += len(lines)
	n := map[string]int{}
	for _, line := range lines {
		for _, w := range words {
			if strings.HasPrefix(line, w) {
				n[w]++
			}
		}
	}
	return n
}

// pieces are what a step asks for without a graph, beside copies.
var pieces = []string{"launch ", "cudnnConvolution", "cublasLtMatmul "}

// withoutGraphs opens a backend whose driver takes no graph down.
func withoutGraphs(t *testing.T, l *stub.Libraries, precision string) backends.Backend {
	t.Helper()
	var warned []string
	b := openTest(t, backends.Options{
		Device: "cuda:0", Precision: precision, Threads: 1, Warn: func(message string) { warned = append(warned, message) },
	})
	p := compileTest(t, b, smallStep())
	l.Set("capture_begin", 801) // CUDA_ERROR_NOT_SUPPORTED
	for range untilRecorded {
		stepTest(t, p, smallBatch(t, 1))
	}
	l.Set("capture_begin", 0)
	if len(warned) != 1 || !strings.Contains(warned[0], "cuStreamBeginCapture") {
		t.Fatalf("warned of %q", warned)
	}
	return b
}

// withGraphs opens a backend that must not warn.
func withGraphs(t *testing.T, precision string) backends.Backend {
	t.Helper()
	return openTest(t, backends.Options{
		Device: "cuda:0", Precision: precision, Threads: 1, Warn: func(message string) { t.Errorf("warned: %s", message) },
	})
}

// adamStep is the small step with another optimiser.
func adamStep() *graph.Step {
	s := smallStep()
	g, count := s.Graph, s.Graph.Slot("step")
	counted := g.Count(count)
	updates := []graph.Update{{Target: count, Value: counted}}
	for _, u := range s.Updates {
		if u.Target.Op == graph.OpState {
			updates = append(updates, u)
		}
	}
	for _, gradient := range s.Gradients {
		p := gradient.Param
		m, v := g.Slot("mean/"+p.Name, p.Shape...), g.Slot("square/"+p.Name, p.Shape...)
		mean, square := g.AdamMean(m, p, gradient.Value, 0.9, 1e-4), g.AdamSquare(v, p, gradient.Value, 0.99, 1e-4)
		updates = append(updates, graph.Update{Target: m, Value: mean}, graph.Update{Target: v, Value: square},
			graph.Update{Target: p, Value: g.AdamDescend(p, mean, square, g.Rate(), counted, 0.9, 0.99, 1e-8)})
	}
	s.Updates = updates
	return s
}

// TestCUDAGraphsTakeTheSameSteps compares each of many steps at changing rates with one whose kernels are started one by one, and
// wants it to be one launch.
func TestCUDAGraphsTakeTheSameSteps(t *testing.T) {
	for name, step := range map[string]func() *graph.Step{"LARS": smallStep, "Adam": adamStep} {
		for _, precision := range []string{"fp32", "bf16"} {
			t.Run(name+" "+precision, func(t *testing.T) {
				l := standIn(t)
				want, got := compileTest(t, withoutGraphs(t, l, precision), step()), compileTest(t, withGraphs(t, precision), step())
				for k := range 3 * untilRecorded {
					batch, rate := smallBatch(t, uint64(k)), float32(0.05*(1+math.Sin(float64(k))))
					expected, err := want.Step(t.Context(), batch, rate)
					if err != nil {
						t.Fatal(err)
					}
					d := newDiary(l)
					m, err := got.Step(t.Context(), batch, rate)
					if err != nil {
						t.Fatal(err)
					}
					asked := d.count(append(pieces, "cuGraphLaunch ")...)
					if k >= untilRecorded && (asked["cuGraphLaunch "] != 1 || len(asked) != 1) {
						t.Errorf("step %d asked for %v, want one graph", k, asked)
					}
					if m != expected {
						t.Errorf("step %d: %v, want %v", k, m, expected)
					}
					wantSame(t, fmt.Sprintf("tensors after step %d", k), saveTest(t, got), saveTest(t, want))
				}
			})
		}
	}
}

// TestCUDAGraphsOfEverything goes through all that a program does, with batches of several sizes, again and again.
func TestCUDAGraphsOfEverything(t *testing.T) {
	l := standIn(t)
	s := smallStep()
	want, got := compileTest(t, withoutGraphs(t, l, "fp32"), s), compileTest(t, withGraphs(t, "fp32"), s)
	dz := make([]float32, s.Project.Size())
	everything := func(p backends.Program, round int) (all []float32) {
		t.Helper()
		seed := uint64(round)
		embed := func(rows int, m backends.Mode) {
			t.Helper()
			e, err := p.Embed(t.Context(), viewsOf(t, seed, rows, 2, smallSize), m)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Data...)
		}
		m := stepTest(t, p, smallBatch(t, seed))
		all = append(all, m.Loss, m.Accuracy, m.Spread)
		embed(1, backends.Eval)
		embed(2, backends.Eval)
		embed(smallPairs, backends.Train)
		for chunk := range uint64(2) {
			for i := range dz {
				dz[i] = float32(math.Sin(float64(i + round)))
			}
			if err := p.Backward(t.Context(), smallBatch(t, seed+chunk), dz); err != nil {
				t.Fatal(err)
			}
		}
		gradients, err := p.Gradients()
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range gradients {
			all = append(all, g.Data...)
		}
		if err := p.Update(smallRate); err != nil {
			t.Fatal(err)
		}
		return all
	}
	for round := range 8 {
		expected, d := everything(want, round), newDiary(l)
		if !slices.EqualFunc(everything(got, round), expected, sameBits) {
			t.Fatalf("other numbers in round %d", round)
		}
		asked := d.count(append(pieces, "cuGraphLaunch ")...)
		// A step, three Embed, two Backward and an Update; copies of statistics are kernels.
		if round > untilRecorded && (asked["cuGraphLaunch "] != 7 || asked["cudnnConvolution"] != 0 || asked["cublasLtMatmul "] != 0) {
			t.Errorf("round %d asked for %v", round, asked)
		}
		wantSame(t, fmt.Sprintf("tensors after round %d", round), saveTest(t, got), saveTest(t, want))
	}
}

// TestCUDAGraphsOfManySizes has more sizes of batches than graphs are kept for, in an order in which none would be of use.
func TestCUDAGraphsOfManySizes(t *testing.T) {
	l := standIn(t)
	s := smallStep()
	want, got := compileTest(t, withoutGraphs(t, l, "fp32"), s), compileTest(t, withGraphs(t, "fp32"), s)
	d := newDiary(l)
	for range 3 {
		for rows := range smallRows {
			var found [2]backends.Embeddings
			for i, p := range []backends.Program{want, got} {
				var err error
				if found[i], err = p.Embed(t.Context(), viewsOf(t, 1, rows+1, 1, smallSize), backends.Eval); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.EqualFunc(found[0].Data, found[1].Data, sameBits) {
				t.Errorf("other features of %d rows", rows+1)
			}
		}
	}
	for rows := range smallRows { // each twice running, so that it is recorded
		for range 2 {
			if _, err := got.Embed(t.Context(), viewsOf(t, 1, rows+1, 1, smallSize), backends.Eval); err != nil {
				t.Fatal(err)
			}
		}
	}
	asked := d.count("cuStreamEndCapture ", "cuGraphLaunch ", "cuGraphExecDestroy")
	if asked["cuStreamEndCapture "] != smallRows || asked["cuGraphLaunch "] != smallRows || asked["cuGraphExecDestroy"] != smallRows-takes {
		t.Errorf("of %d sizes %v", smallRows, asked)
	}
}

// TestCUDAWithoutGraphs lets each part of recording fail: the user is told once, and training goes on as before.
func TestCUDAWithoutGraphs(t *testing.T) {
	l := standIn(t)
	reference := compileTest(t, onStandIn(t, "fp32"), smallStep())
	const steps = 6
	var want []backends.Metrics
	for k := range uint64(steps) {
		want = append(want, stepTest(t, reference, smallBatch(t, k)))
	}
	tensors := saveTest(t, reference)
	for _, c := range []struct {
		name  string
		set   string
		value int
		says  string
	}{
		{"begin", "capture_begin", 801, "cuStreamBeginCapture"},
		{"end", "capture_end", 901, "cuStreamEndCapture: CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"},
		{"instantiate", "graph_make", 2, "cuGraphInstantiate: CUDA_ERROR_OUT_OF_MEMORY"},
		{"upload", "graph_upload", 2, "cuGraphUpload: CUDA_ERROR_OUT_OF_MEMORY"},
		{"kernel", "capture_refuse", 1, "cuLaunchKernel: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
		{"convolution", "capture_refuse", 3, "cudnnConvolutionForward"},
		{"product", "capture_refuse", 80, "cublasLtMatmul"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.Set(c.set, c.value)
			var warned []string
			b := openTest(t, backends.Options{Device: "cuda:0", Threads: 1, Warn: func(message string) { warned = append(warned, message) }})
			p := compileTest(t, b, smallStep())
			for k := range uint64(steps) {
				if m := stepTest(t, p, smallBatch(t, k)); m != want[k] {
					t.Errorf("step %d: %v, want %v", k, m, want[k])
				}
			}
			l.Set(c.set, 0)
			wantSame(t, "tensors", saveTest(t, p), tensors)
			if len(warned) != 1 || !strings.Contains(warned[0], c.says) || !strings.Contains(warned[0], "slower") {
				t.Errorf("warned of %q, want once of %s", warned, c.says)
			}
			d := newDiary(l)
			other := compileTest(t, b, smallStep())
			for k := range uint64(steps) {
				stepTest(t, p, smallBatch(t, k))
				stepTest(t, other, smallBatch(t, k))
			}
			if asked := d.count("cuStreamBeginCapture", "cuGraphLaunch"); len(asked) > 0 {
				t.Errorf("after the warning there were %v", asked)
			}
		})
	}
}

// TestCUDALaunchBlocking asks the driver to wait for each kernel, as one does to find an error.
func TestCUDALaunchBlocking(t *testing.T) {
	t.Setenv("CUDA_LAUNCH_BLOCKING", "1")
	l := standIn(t)
	p := compileTest(t, withGraphs(t, "fp32"), smallStep())
	for range 2 * untilRecorded {
		stepTest(t, p, smallBatch(t, 1))
	}
	d := &diary{libraries: l}
	if asked := d.count("cuStreamBeginCapture"); len(asked) > 0 {
		t.Errorf("there were %v", asked)
	}
}

// recorded takes steps until they are launched from graphs, and then one of each of two batches, from the same tensors.
func recorded(t *testing.T, p backends.Program) (before backends.Weights, want backends.Metrics, after backends.Weights) {
	t.Helper()
	for range untilRecorded {
		stepTest(t, p, smallBatch(t, 1))
	}
	before = saveTest(t, p)
	want = stepTest(t, p, smallBatch(t, 2))
	after = saveTest(t, p)
	if err := p.Load(before); err != nil {
		t.Fatal(err)
	}
	return before, want, after
}

// TestCUDAGraphNotLaunched lets the driver refuse a graph: the step has failed, nothing has changed, and the next one works.
func TestCUDAGraphNotLaunched(t *testing.T) {
	l := standIn(t)
	p := compileTest(t, withGraphs(t, "fp32"), smallStep())
	before, want, after := recorded(t, p)
	for range 2 {
		l.Set("graph_start", 701)
		_, err := p.Step(t.Context(), smallBatch(t, 3), smallRate)
		l.Set("graph_start", 0)
		wantError(t, err, "step: ", "cuGraphLaunch: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES")
		wantSame(t, "tensors after a graph was refused", saveTest(t, p), before)
	}
	if got := stepTest(t, p, smallBatch(t, 2)); got != want {
		t.Errorf("after a graph was refused the step says %v, want %v", got, want)
	}
	wantSame(t, "tensors of the step after a graph was refused", saveTest(t, p), after)
}

// TestCUDAGraphCancelled cancels before and after a launch.
func TestCUDAGraphCancelled(t *testing.T) {
	l := standIn(t)
	p := compileTest(t, withGraphs(t, "fp32"), smallStep())
	before, want, after := recorded(t, p)
	for k := range 3 {
		if err := p.Load(before); err != nil {
			t.Fatal(err)
		}
		d := newDiary(l)
		_, err := p.Step(&contextUntil{t.Context(), k}, smallBatch(t, 3), smallRate)
		if launched := d.count("cuGraphLaunch ")["cuGraphLaunch "]; launched != min(k, 1) {
			t.Errorf("cancelled when asked for the %d. time: %d graphs launched", k+1, launched)
		}
		if k == 2 {
			if err != nil {
				t.Errorf("a step asks for the context more than twice: %v", err)
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		wantSame(t, "tensors after a cancelled step", saveTest(t, p), before)
		if got := stepTest(t, p, smallBatch(t, 2)); got != want {
			t.Errorf("after a cancelled step the next says %v, want %v", got, want)
		}
		wantSame(t, "tensors of the step after a cancelled one", saveTest(t, p), after)
	}
}

// TestCUDACancelledWhileRecording cancels at operators that are being recorded: no reason to give up.
func TestCUDACancelledWhileRecording(t *testing.T) {
	l := standIn(t)
	for k := 0; k < 130; k += 40 {
		p := compileTest(t, withGraphs(t, "fp32"), smallStep())
		d, recordings := newDiary(l), 0
		for range untilRecorded {
			before := saveTest(t, p)
			d.count()
			_, err := p.Step(&contextUntil{t.Context(), k}, smallBatch(t, 1), smallRate)
			asked := d.count("cuStreamEndCapture", "cuGraphLaunch ")
			if asked["cuGraphLaunch "] == 1 && err == nil {
				continue // it was recorded, and too fast
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("cancelled at operator %d, the error is %v", k, err)
			}
			recordings += asked["cuStreamEndCapture"]
			wantSame(t, "tensors after a cancelled step", saveTest(t, p), before)
			stepTest(t, p, smallBatch(t, 1))
		}
		if recordings == 0 {
			t.Errorf("nothing was recorded when steps were cancelled at operator %d", k)
		}
		d.count()
		stepTest(t, p, smallBatch(t, 1))
		if d.count("cuGraphLaunch ")["cuGraphLaunch "] != 1 {
			t.Errorf("no graph after a recording that was cancelled at operator %d", k)
		}
	}
}

// TestCUDALostInAGraph lets kernels of a graph fail, and the GPU with them.
func TestCUDALostInAGraph(t *testing.T) {
	standIn(t)
	for k := 1; k < 150; k += 37 {
		l := stub.Open(t)
		b, err := backends.Open(t.Context(), "gorgonia", backends.Options{Device: "cuda:0", Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		p, err := b.Compile(t.Context(), smallStep())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Load(weightsOf(smallStep(), 1)); err != nil {
			t.Fatal(err)
		}
		recorded(t, p)
		l.Set("fail_launch", k)
		const advice = "the GPU is lost to this process: start it again, from its last checkpoint"
		for range 2 {
			_, err = p.Step(t.Context(), smallBatch(t, 1), smallRate)
			wantError(t, err, "step", "CUDA_ERROR_ILLEGAL_ADDRESS", advice)
		}
		_, err = p.Save()
		wantError(t, err, advice)
		if err := errors.Join(p.Close(), b.Close()); err == nil {
			t.Error("closing says nothing of the lost GPU")
		}
		if held, bytes := l.Held(), l.Allocated(); held != 0 || bytes != 0 {
			t.Fatalf("GPU lost at kernel %d: %d things and %d bytes were not given back", k, held, bytes)
		}
	}
	stub.Open(t)
}
