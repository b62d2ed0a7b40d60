//go:build linux

package gorgonia

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// wideStep only evaluates, and needs much memory for so many views.
func wideStep(views int) *graph.Step {
	g := &graph.Graph{}
	x := g.Image("views", views, 64, 64, [3]float64{}, [3]float64{1, 1, 1})
	return &graph.Step{Graph: g, Features: g.AvgPool(g.Conv(x, g.Param("filters", 16, 3, 3, 3), 1, 1))}
}

// TestCUDANoMemoryForTheBatch wants the error to name a batch, and that batch to compile.
func TestCUDANoMemoryForTheBatch(t *testing.T) {
	l := standIn(t)
	b := onStandIn(t, "fp32")
	for _, room := range []int{5, 20, 50} { // MiB
		l.Set("memory", l.Allocated()+room<<20)
		_, err := b.Compile(t.Context(), wideStep(256))
		wantError(t, err, "compile", "MiB of memory are needed", "MiB free", "end what else uses the device")
		found := regexp.MustCompile(`the batch has 256 views, about (\d+) would fit`).FindStringSubmatch(fmt.Sprint(err))
		if found == nil {
			t.Fatalf("the error names no batch: %v", err)
		}
		fit, _ := strconv.Atoi(found[1])
		p, err := b.Compile(t.Context(), wideStep(fit))
		if err != nil {
			t.Fatalf("the batch that fits does not: %v", err)
		}
		closeTest(t, p)
	}
}

// TestCUDALoadsWhatItNeeds has kernels take memory when they first compute, and less and less of it missing: where Compile succeeds,
// what the program then does has all it needs.
func TestCUDALoadsWhatItNeeds(t *testing.T) {
	const late, room = 64 << 10, 256 << 10 // bytes of a kernel, and of memory more each time
	needed := 0
	t.Run("measured", func(t *testing.T) {
		l := standIn(t)
		compileTest(t, onStandIn(t, "fp32"), smallStep())
		needed = l.Allocated()
	})
	refused, compiled := 0, false
	for memory := needed; !compiled; memory += room {
		t.Run(fmt.Sprintf("%d more", memory-needed), func(t *testing.T) {
			l := standIn(t)
			l.Set("late", late)
			l.Set("memory", memory)
			p, err := onStandIn(t, "fp32").Compile(t.Context(), smallStep())
			if err != nil {
				refused++
				wantError(t, err, "compile", "MiB of memory are free", "use a smaller batch, or end what else uses the device")
				return
			}
			defer closeTest(t, p)
			compiled = true
			stepTest(t, p, smallBatch(t, 1))
			for _, mode := range []backends.Mode{backends.Train, backends.Eval} {
				batch := smallBatch(t, 1)
				if mode == backends.Eval {
					batch = viewsOf(t, 1, smallRows, 1, smallSize)
				}
				if _, err := p.Embed(t.Context(), batch, mode); err != nil {
					t.Errorf("mode %d: %v", mode, err)
				}
			}
		})
	}
	if refused < 3 {
		t.Errorf("Compile was refused only %d times", refused)
	}
}

// TestAdviceCountsBatchesAhead has a batch that takes half as much memory where it is taken in as its step does.
func TestAdviceCountsBatchesAhead(t *testing.T) {
	for staged, want := range map[bool]string{false: "the batch has 1000 views, about 512 would fit: ", true: "the batch has 1000 views, about 384 would fit: "} {
		s := &tape{image: &graph.Node{Shape: []int{1000}}, bytes: 1000 << 10, pixels: &value{bytes: 250 << 10}, staged: staged}
		err := s.adviseBatch(100<<10, &device.MemoryError{Asked: 900 << 10, Free: 700 << 10, Err: errors.New("full")})
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("staged %t: %v", staged, err)
		}
	}
}

func TestRoundDown(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 1, 3: 3, 5: 4, 7: 6, 100: 96, 255: 192, 256: 256} {
		if got := roundDown(n); got != want {
			t.Errorf("%d becomes %d, want %d", n, got, want)
		}
	}
}

// train opens the backend and takes a step, twice in two ways; everything is closed when it returns.
func train(t *testing.T, s *graph.Step) (err error) {
	b, err := backends.Open(t.Context(), "gorgonia", backends.Options{Device: "cuda:0", Threads: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	p, err := b.Compile(t.Context(), s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.Load(weightsOf(s, 1)); err != nil {
		return err
	}
	if _, err := p.Step(t.Context(), smallBatch(t, 1), smallRate); err != nil {
		return err
	}
	if err := p.Backward(t.Context(), smallBatch(t, 1), make([]float32, s.Project.Size())); err != nil {
		return err
	}
	return p.Update(smallRate)
}

// TestCUDARefusedAllocations refuses each allocation in turn, from that of Open to that of Backward.
func TestCUDARefusedAllocations(t *testing.T) {
	l := standIn(t)
	for k := 1; ; k++ {
		l.Set("fail_allocation", k)
		err := train(t, smallStep())
		if held, bytes := l.Held(), l.Allocated(); held != 0 || bytes != 0 {
			t.Fatalf("allocation %d refused: %d things and %d bytes were not given back", k, held, bytes)
		}
		if err == nil {
			if k < 5 {
				t.Errorf("only %d allocations", k-1)
			}
			break
		}
		wantError(t, err, "MiB of memory are needed", "use a smaller batch")
	}
}

// broadStep trains on so many views of 16 by 16 pixels, with parameters that take as much memory as a dozen views.
func broadStep(views int) *graph.Step {
	g := &graph.Graph{}
	x := g.Image("views", views, 16, 16, [3]float64{}, [3]float64{1, 1, 1})
	filters, wide, narrow := g.Param("filters", 16, 3, 3, 3), g.Param("wide", 2048, 16), g.Param("narrow", 64, 2048)
	features := g.AvgPool(g.ReLU(g.Conv(x, filters, 1, 1)))
	s := &graph.Step{Graph: g, Project: g.L2Normalize(g.MatMul(g.MatMul(features, wide, false, true), narrow, false, true))}
	s.Loss, s.Accuracy = g.NTXent(s.Project, 0.5), g.PairAccuracy(s.Project)
	s.Differentiate([]*graph.Node{filters, wide, narrow})
	for _, d := range s.Gradients {
		s.Updates = append(s.Updates, graph.Update{Target: d.Param, Value: g.Descend(d.Param, d.Value, g.Rate())})
	}
	return s
}

// TestCUDANoMemoryToTrain wants the batch that the error names to train, with workspaces, kernels that are loaded late, and batches that
// are taken in beside steps.
func TestCUDANoMemoryToTrain(t *testing.T) {
	const views = 60
	l := standIn(t)
	for _, workspace := range []int{1000, 100 << 10} { // for each image
		l.Set("cudnn_workspace", workspace)
		b := withGraphs(t, "fp32") // fails the test if a batch cannot be taken in
		l.Set("late", 0)
		before := l.Allocated()
		whole, err := b.Compile(t.Context(), broadStep(views))
		if err != nil {
			t.Fatal(err)
		}
		needed := l.Allocated() - before
		closeTest(t, whole)
		l.Set("late", 4<<10)
		for _, percent := range []int{60, 90} {
			l.Set("memory", l.Allocated()+needed*percent/100)
			_, err := b.Compile(t.Context(), broadStep(views))
			wantError(t, err, "compile: the batch has 60 views, about", "MiB of memory are needed")
			fit := 0
			if _, err := fmt.Sscanf(err.Error(), "compile: the batch has 60 views, about %d would fit", &fit); err != nil || fit < 8 {
				t.Errorf("with %d percent of the memory fit %d views: %v", percent, fit, err)
			}
			p, err := b.Compile(t.Context(), broadStep(fit))
			if err != nil {
				t.Fatalf("the batch that fits does not: %v", err)
			}
			for k := range uint64(untilRecorded + 1) {
				batch := viewsOf(t, k, fit/2, 2, 16)
				stageTest(t, p.(backends.Stager), batch)
				stepTest(t, p, batch)
			}
			closeTest(t, p)
		}
		l.Set("memory", 1<<30)
	}
}

// TestCUDANoMemoryForKernels has memory for all values of a batch, but not for the kernels that compute it.
func TestCUDANoMemoryForKernels(t *testing.T) {
	l := standIn(t)
	b := onStandIn(t, "fp32")
	before := l.Allocated()
	p, err := b.Compile(t.Context(), wideStep(256))
	if err != nil {
		t.Fatal(err)
	}
	held := l.Allocated()
	closeTest(t, p)
	l.Set("late", (held-before)/40)
	l.Set("memory", held+1000)
	_, err = b.Compile(t.Context(), wideStep(256))
	wantError(t, err, "compile: the batch has 256 views, about 192 would fit", "not enough for what is loaded to compute")
	if p, err = b.Compile(t.Context(), wideStep(192)); err != nil {
		t.Fatal(err)
	}
	closeTest(t, p)
}

// TestCUDAWorkspaceIsPlanned has the workspaces of convolutions where the values of a step lie.
func TestCUDAWorkspaceIsPlanned(t *testing.T) {
	l := standIn(t)
	b := onStandIn(t, "fp32")
	l.Set("cudnn_workspace", 1<<20) // for each image
	l.Set("memory", l.Allocated()+100<<20)
	_, err := b.Compile(t.Context(), wideStep(256))
	wantError(t, err, "compile: the batch has 256 views, about 64 would fit")
	p, err := b.Compile(t.Context(), wideStep(64))
	if err != nil {
		t.Fatal(err)
	}
	closeTest(t, p)
}

// TestCUDARefusedLaunches has the driver refuse kernels of a step without a graph, each in turn, as it does those that ask for too
// much: nothing has changed, and the next step works.
func TestCUDARefusedLaunches(t *testing.T) {
	l := standIn(t)
	p := compileTest(t, withoutGraphs(t, l, "fp32"), smallStep())
	before := saveTest(t, p)
	want := stepTest(t, p, smallBatch(t, 1))
	after := saveTest(t, p)
	for k := 1; ; k += 11 {
		if err := p.Load(before); err != nil {
			t.Fatal(err)
		}
		l.Set("refuse_launch", k)
		_, err := p.Step(t.Context(), smallBatch(t, 1), smallRate)
		l.Set("refuse_launch", -1)
		if err == nil {
			if k < 100 {
				t.Errorf("a step has less than %d kernels", k)
			}
			break
		}
		wantError(t, err, "step", "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "#", "kernel ")
		wantSame(t, fmt.Sprintf("tensors after kernel %d was refused", k), saveTest(t, p), before)
		if got := stepTest(t, p, smallBatch(t, 1)); got != want {
			t.Errorf("after kernel %d was refused the step says %v, want %v", k, got, want)
		}
		wantSame(t, fmt.Sprintf("tensors of the step after kernel %d was refused", k), saveTest(t, p), after)
	}
	for _, library := range []string{"cudnn_status", "cublaslt_status"} {
		if err := p.Load(before); err != nil {
			t.Fatal(err)
		}
		l.Set(library, 5000)
		_, err := p.Step(t.Context(), smallBatch(t, 1), smallRate)
		l.Set(library, 0)
		wantError(t, err, "step", "_STATUS")
		wantSame(t, "tensors after "+library, saveTest(t, p), before)
		if got := stepTest(t, p, smallBatch(t, 1)); got != want {
			t.Errorf("after %s the step says %v, want %v", library, got, want)
		}
	}
}

// TestCUDALostGPU lets kernels of a step fail as they do at a wrong address: the GPU computes nothing more, errors say what to do, and
// closing works.
func TestCUDALostGPU(t *testing.T) {
	standIn(t)
	for k := 1; ; k += 37 {
		l := stub.Open(t) // a new process has the GPU again
		lost := loseAt(t, l, k)
		if held, bytes := l.Held(), l.Allocated(); held != 0 || bytes != 0 {
			t.Fatalf("GPU lost at kernel %d: %d things and %d bytes were not given back", k, held, bytes)
		}
		if !lost {
			return
		}
	}
}

func loseAt(t *testing.T, l *stub.Libraries, k int) (lost bool) {
	b, err := backends.Open(t.Context(), "gorgonia", backends.Options{Device: "cuda:0", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Compile(t.Context(), smallStep())
	if err != nil {
		t.Fatal(err)
	}
	l.Set("fail_launch", k)
	_, err = p.Step(t.Context(), smallBatch(t, 1), smallRate)
	if lost = err != nil; lost {
		const advice = "the GPU is lost to this process: start it again, from its last checkpoint"
		wantError(t, err, "step", "CUDA_ERROR_ILLEGAL_ADDRESS", advice)
		_, err = p.Step(t.Context(), smallBatch(t, 1), smallRate)
		wantError(t, err, "step", advice)
		_, err = p.Save()
		wantError(t, err, advice)
	}
	if err := errors.Join(p.Close(), b.Close()); (err != nil) != lost {
		t.Errorf("closing, with the GPU lost %v, says %v", lost, err)
	}
	return lost
}

// TestCUDAShared lets another process take all memory between Compile and the first Backward.
func TestCUDAShared(t *testing.T) {
	s := smallStep()
	l := standIn(t)
	p := compileTest(t, onStandIn(t, "fp32"), s)
	before := saveTest(t, p)
	want := stepTest(t, p, smallBatch(t, 1))
	if err := p.Load(before); err != nil {
		t.Fatal(err)
	}
	l.Set("memory", l.Allocated()+1000)
	dz := make([]float32, s.Project.Size())
	dz[0] = 1
	wantError(t, p.Backward(t.Context(), smallBatch(t, 1), dz), "backward", "use a smaller batch", "end what else uses the device")
	wantSame(t, "tensors after a Backward that had no memory", saveTest(t, p), before)
	if got := stepTest(t, p, smallBatch(t, 1)); got != want {
		t.Errorf("after a Backward that had no memory the step says %v, want %v", got, want)
	}
	l.Set("memory", 1<<30)
	if err := p.Backward(t.Context(), smallBatch(t, 1), dz); err != nil {
		t.Errorf("with memory again: %v", err)
	}
}

// A contextUntil is cancelled when it has been asked so many times.
type contextUntil struct {
	context.Context
	asked int
}

func (c *contextUntil) Err() error {
	if c.asked--; c.asked < 0 {
		return context.Canceled
	}
	return nil
}

// TestCUDACancelled cancels steps without a graph in their middle.
func TestCUDACancelled(t *testing.T) {
	p := compileTest(t, withoutGraphs(t, standIn(t), "fp32"), smallStep())
	before := saveTest(t, p)
	want := stepTest(t, p, smallBatch(t, 1))
	for k := 0; ; k += 17 {
		if err := p.Load(before); err != nil {
			t.Fatal(err)
		}
		_, err := p.Step(&contextUntil{t.Context(), k}, smallBatch(t, 1), smallRate)
		if err == nil {
			if k < 50 {
				t.Errorf("a step asks for the context less than %d times", k)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		wantSame(t, "tensors after a cancelled step", saveTest(t, p), before)
		if got := stepTest(t, p, smallBatch(t, 1)); got != want {
			t.Errorf("after a cancelled step the next says %v, want %v", got, want)
		}
	}
}

// TestCUDATwoPrograms trains two programs of one backend at once, each to the bit as alone: the kernels of one are not taken down with
// those of the other.
func TestCUDATwoPrograms(t *testing.T) {
	standIn(t)
	b := withGraphs(t, "fp32")
	const steps = 2 * untilRecorded
	run := func(p backends.Program, seed uint64) (metrics []backends.Metrics, err error) {
		for k := range uint64(steps) {
			m, err := p.Step(t.Context(), smallBatch(t, seed+k), smallRate)
			if err != nil {
				return nil, err
			}
			metrics = append(metrics, m)
		}
		return metrics, nil
	}
	var want, got [2][]backends.Metrics
	var saved [2]backends.Weights
	for i := range want {
		p := compileTest(t, b, smallStep())
		var err error
		if want[i], err = run(p, uint64(10*i)); err != nil {
			t.Fatal(err)
		}
		saved[i] = saveTest(t, p)
	}
	programs := [2]backends.Program{compileTest(t, b, smallStep()), compileTest(t, b, smallStep())}
	var group sync.WaitGroup
	var errs [2]error
	for i, p := range programs {
		group.Add(1)
		go func() {
			defer group.Done()
			got[i], errs[i] = run(p, uint64(10*i))
		}()
	}
	group.Wait()
	for i, p := range programs {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		for k, m := range got[i] {
			if m != want[i][k] {
				t.Errorf("program %d, step %d: %v, alone %v", i, k, m, want[i][k])
			}
		}
		wantSame(t, fmt.Sprintf("tensors of program %d", i), saveTest(t, p), saved[i])
	}
}
