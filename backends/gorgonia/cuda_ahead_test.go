//go:build linux

package gorgonia

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/backendtest"
	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
)

// TestCUDAStagingEarly runs the suite's tests of staging once more, with copies to the device as early as they may be; elsewhere they
// are as late as they may be.
func TestCUDAStagingEarly(t *testing.T) {
	standIn(t).Set("early", 1)
	backendtest.Run(t, func(t *testing.T) backends.Backend {
		if path.Base(t.Name()) != "Staging" {
			t.Skip("is another test's")
		}
		b, err := backends.Open(t.Context(), "gorgonia", backends.Options{Device: "cuda:0"})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, backendtest.Options{})
}

// compileStager compiles the small step for training on staged batches.
func compileStager(t *testing.T, b backends.Backend) backends.Stager {
	t.Helper()
	p, ok := compileTest(t, b, smallStep()).(backends.Stager)
	if !ok {
		t.Fatal("a program that trains on a GPU stages no batches")
	}
	return p
}

func stageTest(t *testing.T, p backends.Stager, batch arrow.Record) {
	t.Helper()
	if err := p.Stage(t.Context(), batch); err != nil {
		t.Fatalf("Stage: %v", err)
	}
}

func count(l *stub.Libraries, call string) (n int) {
	for _, line := range l.Log() {
		if strings.HasPrefix(line, call) {
			n++
		}
	}
	return n
}

// TestCUDAStagers says which programs stage batches: those that train, on a GPU.
func TestCUDAStagers(t *testing.T) {
	standIn(t)
	if _, ok := compileTest(t, onStandIn(t, "fp32"), wideStep(8)).(backends.Stager); ok {
		t.Error("a program that only evaluates stages batches")
	}
	if _, ok := compileTest(t, openTest(t, backends.Options{}), smallStep()).(backends.Stager); ok {
		t.Error("a program on the CPU stages batches")
	}
}

// TestCUDAStagedStepCopiesNothing counts what steps on staged batches copy from the host: the learning rate.
func TestCUDAStagedStepCopiesNothing(t *testing.T) {
	l := standIn(t)
	p := compileStager(t, onStandIn(t, "fp32"))
	const steps = 3
	for i := range uint64(steps) {
		batch := smallBatch(t, i)
		stageTest(t, p, batch)
		before := count(l, "cuMemcpyHtoDAsync")
		stepTest(t, p, batch)
		if n := count(l, "cuMemcpyHtoDAsync") - before; n != 1 {
			t.Errorf("step %d copied %d times from the host, want once", i, n)
		}
	}
	if n := count(l, "cuMemcpyDtoDAsync"); n != steps {
		t.Errorf("%d copies on the device for %d steps", n, steps)
	}
}

// TestCUDANoMemoryToStage refuses memory for a batch ahead: training goes on without, and the user is told once.
func TestCUDANoMemoryToStage(t *testing.T) {
	l := standIn(t)
	var warnings []string
	b := openTest(t, backends.Options{Device: "cuda:0", Threads: 1, Warn: func(message string) { warnings = append(warnings, message) }})
	for k := range 2 {
		warnings = nil
		p, plain := compileStager(t, b), compileTest(t, b, smallStep())
		held := l.Allocated()
		l.Set("fail_allocation", k+1)
		stageTest(t, p, smallBatch(t, 0))
		l.Set("fail_allocation", -1)
		if l.Allocated() != held {
			t.Errorf("allocation %d refused: %d bytes are held for nothing", k, l.Allocated()-held)
		}
		for i := range uint64(2) {
			batch := smallBatch(t, i)
			stageTest(t, p, batch)
			if got, want := stepTest(t, p, batch), stepTest(t, plain, batch); got != want {
				t.Errorf("step %d without memory to stage says %v, want %v", i, got, want)
			}
		}
		wantSame(t, "tensors without memory to stage", saveTest(t, p), saveTest(t, plain))
		if len(warnings) != 1 || !strings.Contains(warnings[0], "each batch is copied to the device when its step begins") {
			t.Errorf("the warnings are %q", warnings)
		}
	}
	silent := compileStager(t, onStandIn(t, "fp32")) // has no Warn
	l.Set("fail_allocation", 1)
	stageTest(t, silent, smallBatch(t, 0))
}

// TestCUDAStagingFails lets copies of Stage and of the Step after it fail, each in turn: an error, and then nothing has changed.
func TestCUDAStagingFails(t *testing.T) {
	l := standIn(t)
	b := onStandIn(t, "fp32")
	p, plain := compileStager(t, b), compileTest(t, b, smallStep())
	stageTest(t, p, smallBatch(t, 0)) // has the memory
	for k := 1; ; k++ {
		before, batch := saveTest(t, p), smallBatch(t, uint64(k))
		l.Set("fail_copy", k)
		err := p.Stage(t.Context(), batch)
		if err != nil {
			wantError(t, err, "stage: ", "CUDA_ERROR_UNKNOWN")
		} else if _, err = p.Step(t.Context(), batch, smallRate); err != nil {
			wantError(t, err, "step: ", "CUDA_ERROR_UNKNOWN")
		}
		l.Set("fail_copy", -1)
		if err == nil {
			if k < 4 {
				t.Errorf("to stage a batch and to take it are less than %d copies", k)
			}
			return
		}
		wantSame(t, fmt.Sprintf("tensors after copy %d failed", k), saveTest(t, p), before)
		if got, want := stepTest(t, p, batch), stepTest(t, plain, batch); got != want {
			t.Errorf("after copy %d failed the step says %v, want %v", k, got, want)
		}
		wantSame(t, fmt.Sprintf("tensors of the step after copy %d failed", k), saveTest(t, p), saveTest(t, plain))
	}
}

// TestCUDANothingPinned leaves no host memory that the GPU can read by itself.
func TestCUDANothingPinned(t *testing.T) {
	l := standIn(t)
	p := compileStager(t, onStandIn(t, "fp32"))
	l.Set("pinned", 0)
	wantError(t, p.Stage(t.Context(), smallBatch(t, 1)), "stage: ", "host's memory cannot be pinned", "ulimit -l")
}

// TestCUDATwoStagers trains two programs of one backend at once on staged batches, each to the bit as alone.
func TestCUDATwoStagers(t *testing.T) {
	l := standIn(t)
	b := onStandIn(t, "fp32")
	var programs [2]backends.Stager
	var batches [2][]arrow.Record
	var want [2]backends.Weights
	for i := range programs {
		programs[i] = compileStager(t, b)
		plain := compileTest(t, b, smallStep())
		for k := range uint64(4) {
			batches[i] = append(batches[i], smallBatch(t, uint64(10*i)+k))
			stepTest(t, plain, batches[i][k])
		}
		want[i] = saveTest(t, plain)
	}
	for early := range 2 {
		l.Set("early", early)
		var group sync.WaitGroup
		var errs [2]error
		for i, p := range programs {
			group.Go(func() { errs[i] = trainStaged(t.Context(), p, batches[i]) })
		}
		group.Wait()
		for i, p := range programs {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			wantSame(t, fmt.Sprintf("early %d: tensors of program %d", early, i), saveTest(t, p), want[i])
			if err := p.Load(weightsOf(smallStep(), 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// trainStaged stages each batch while the step before runs.
func trainStaged(ctx context.Context, p backends.Stager, batches []arrow.Record) error {
	err := p.Stage(ctx, batches[0])
	for k, batch := range batches {
		var staging sync.WaitGroup
		var staged error
		if next := batches[k+1:]; len(next) > 0 {
			staging.Go(func() { staged = p.Stage(ctx, next[0]) })
		}
		_, stepped := p.Step(ctx, batch, smallRate)
		staging.Wait()
		err = errors.Join(err, stepped, staged)
	}
	return err
}

// TestCUDALostWhileStaging loses the GPU between Stage and Step: errors, and all is given back.
func TestCUDALostWhileStaging(t *testing.T) {
	l := standIn(t)
	t.Cleanup(func() { stub.Open(t) }) // a new process has the GPU again
	b, err := backends.Open(t.Context(), "gorgonia", backends.Options{Device: "cuda:0", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Compile(t.Context(), smallStep())
	if err != nil {
		t.Fatal(err)
	}
	batches := []arrow.Record{smallBatch(t, 1), smallBatch(t, 2)}
	s := p.(backends.Stager)
	stageTest(t, s, batches[0])
	l.Set("fail_launch", 1)
	_, err = p.Step(t.Context(), batches[0], smallRate)
	wantError(t, err, "the GPU is lost to this process")
	wantError(t, s.Stage(t.Context(), batches[1]), "stage: ", "the GPU is lost to this process")
	if p.Close() == nil || b.Close() == nil {
		t.Error("closing says nothing of the lost GPU")
	}
	if held, bytes := l.Held(), l.Allocated(); held != 0 || bytes != 0 {
		t.Errorf("%d things and %d bytes were not given back", held, bytes)
	}
}
