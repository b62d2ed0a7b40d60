package simclr

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// A stagingBackend has programs that are Stagers, but copy nothing: they check who calls them when.
type stagingBackend struct {
	backends.Backend
	t      *testing.T
	total  int                                        // batches that are to be staged, if nothing ends the run before
	before func(ctx context.Context, stage int) error // called when Stage begins; counts from 0
	refuse func(ctx context.Context, step int) error  // called when Step begins; counts from 0
	staged chan arrow.Record                          // in order
	stages atomic.Int32                               // begun
	steps  atomic.Int32                               // done
	next   arrow.Record                               // staged, and taken from the channel
}

func newStaging(t *testing.T, b backends.Backend, total int) *stagingBackend {
	return &stagingBackend{
		Backend: b, t: t, total: total, staged: make(chan arrow.Record, 100),
		before: func(context.Context, int) error { return nil },
		refuse: func(context.Context, int) error { return nil },
	}
}

func (b *stagingBackend) Compile(ctx context.Context, s *graph.Step) (backends.Program, error) {
	p, err := b.Backend.Compile(ctx, s)
	return &stagingProgram{p, b}, err
}

type stagingProgram struct {
	backends.Program
	backend *stagingBackend
}

// Stage is called for one batch more than Step has been, or is being: not for two, and no more often than there are steps.
func (p *stagingProgram) Stage(ctx context.Context, batch arrow.Record) error {
	b := p.backend
	n, done := int(b.stages.Add(1))-1, int(b.steps.Load())
	if n > done+1 {
		b.t.Errorf("batch %d is staged after step %d", n, done)
	}
	if n >= b.total {
		b.t.Errorf("batch %d is staged for a run of %d", n, b.total)
	}
	if err := b.before(ctx, n); err != nil {
		b.staged <- nil
		return err
	}
	b.staged <- batch
	return nil
}

// Step takes the batch that was staged, and ends when the next one is, if there will be one.
func (p *stagingProgram) Step(ctx context.Context, batch arrow.Record, lr float32) (backends.Metrics, error) {
	b := p.backend
	n := int(b.steps.Load())
	if err := b.refuse(ctx, n); err != nil {
		return backends.Metrics{}, err
	}
	if n == 0 {
		b.receive(ctx)
	}
	if ctx.Err() == nil && batch != b.next {
		b.t.Errorf("step %d is given another batch than was staged", n)
	}
	if n+1 < b.total {
		b.receive(ctx)
	}
	m, err := p.Program.Step(ctx, batch, lr)
	b.steps.Add(1)
	return m, err
}

// receive waits for what is staged next, before or during a step; when ctx ends, there may be nothing.
func (b *stagingBackend) receive(ctx context.Context) {
	select {
	case b.next = <-b.staged:
	case <-ctx.Done():
	}
}

// stagingRun is what each test here trains: its batches come from memory that must be free when the test ends.
func stagingRun(t *testing.T, source pipeline.Source) (Run, *pipeline.Pipeline) {
	t.Helper()
	checked := memory.NewCheckedAllocator(memory.DefaultAllocator)
	t.Cleanup(func() { checked.AssertSize(t, 0) })
	p, err := pipeline.New(source, pipeline.Options{Batch: 4, Epochs: 3, Seed: 5, Workers: 2, Allocator: checked},
		stages.Decode{}, pipeline.Pair(stages.SimCLR(8, 0.5)...))
	if err != nil {
		t.Fatal(err)
	}
	return Run{Dir: t.TempDir(), Config: testConfig()}, p
}

// TestTrainStages: where a program is a Stager the steps are the same, each batch staged during the step before.
func TestTrainStages(t *testing.T) {
	want := uninterrupted(t)
	r, p := stagingRun(t, colours(21))
	b := newStaging(t, &fakeBackend{}, 7)
	r.MaxSteps = 7
	if err := r.Train(t.Context(), b, p); err != nil {
		t.Fatal(err)
	}
	if b.stages.Load() != 7 || b.steps.Load() != 7 {
		t.Errorf("%d batches staged for %d steps, want 7", b.stages.Load(), b.steps.Load())
	}
	b = newStaging(t, &fakeBackend{}, 8)
	r.MaxSteps, r.Resume = 0, true
	if err := r.Train(t.Context(), b, p); err != nil {
		t.Fatal(err)
	}
	if b.stages.Load() != 8 || b.steps.Load() != 8 {
		t.Errorf("resumed, %d batches staged for %d steps, want 8", b.stages.Load(), b.steps.Load())
	}
	if got := digest(t, r.Dir); got != want {
		t.Errorf("weights %s, without staging %s", got, want)
	}
	checkMetrics(t, r.Dir, 15)
}

// TestStagingStops cancels a run after some of its steps, and goes on to the same end.
func TestStagingStops(t *testing.T) {
	want := uninterrupted(t)
	for _, stop := range []int{0, 6, 13} {
		r, p := stagingRun(t, colours(21))
		ctx, cancel := context.WithCancel(t.Context())
		r.Observe = func(rec Record) {
			if rec.Step == stop+1 {
				cancel()
			}
		}
		if err := r.Train(ctx, newStaging(t, &fakeBackend{}, 15), p); !errors.Is(err, ErrStopped) {
			t.Fatalf("stopped after step %d: error %v", stop+1, err)
		}
		r.Observe, r.Resume = nil, true
		if err := r.Train(t.Context(), newStaging(t, &fakeBackend{}, 15-stop-1), p); err != nil {
			t.Fatal(err)
		}
		if got := digest(t, r.Dir); got != want {
			t.Errorf("stopped after step %d, the weights end as %s, want %s", stop+1, got, want)
		}
	}
}

// TestStagingErrors ends a run by an error of a Stage, and of a Step while the next Stage waits for something: the run is saved.
func TestStagingErrors(t *testing.T) {
	failure := errors.New("the device is in a bad mood")
	for _, c := range []struct {
		name   string
		inject func(b *stagingBackend)
		want   string
	}{
		{"Stage", func(b *stagingBackend) {
			b.before = func(_ context.Context, stage int) error {
				if stage == 4 {
					return failure
				}
				return nil
			}
		}, "the run is saved after step 4 of 15"},
		{"Step", func(b *stagingBackend) {
			b.before = func(ctx context.Context, stage int) error {
				if stage == 4 {
					<-ctx.Done()
				}
				return ctx.Err()
			}
			b.refuse = func(_ context.Context, step int) error {
				if step == 3 {
					return failure
				}
				return nil
			}
		}, "the run is saved after step 3 of 15"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, p := stagingRun(t, colours(21))
			b := newStaging(t, &fakeBackend{}, 15)
			c.inject(b)
			if err := r.Train(t.Context(), b, p); !errors.Is(err, failure) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// An endingSource has images until one is asked for of which it tells; neither that nor others come before the context ends.
type endingSource struct {
	colours
	reads atomic.Int32
	last  int32
	tell  func()
}

func (s *endingSource) Read(ctx context.Context, i int, to *pipeline.Sample) error {
	n := s.reads.Add(1)
	if n == s.last {
		s.tell()
	}
	if n >= s.last {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.colours.Read(ctx, i, to)
}

// TestStagingWaits cancels a run that waits for a batch, or will before long: for the first one, and for later ones.
func TestStagingWaits(t *testing.T) {
	for _, last := range []int32{1, 4, 5, 12, 30} {
		ctx, cancel := context.WithCancel(t.Context())
		r, p := stagingRun(t, &endingSource{colours: 21, last: last, tell: cancel})
		if err := r.Train(ctx, newStaging(t, &fakeBackend{}, 15), p); !errors.Is(err, ErrStopped) {
			t.Errorf("cancelled at image %d: error %v", last, err)
		}
	}
}

// A brokenSource cannot read its images.
type brokenSource struct{ colours }

func (brokenSource) Read(context.Context, int, *pipeline.Sample) error {
	return errors.New("unreadable")
}

// TestStagingGivesErrorsOfThePipeline as Train does without staging.
func TestStagingGivesErrorsOfThePipeline(t *testing.T) {
	r, p := stagingRun(t, brokenSource{21})
	err := r.Train(t.Context(), newStaging(t, &fakeBackend{}, 15), p)
	if err == nil || !strings.Contains(err.Error(), "unreadable") || !strings.Contains(err.Error(), "the run is saved after step 0 of 15") {
		t.Errorf("error %v", err)
	}
}

// TestStagingSurvivesPanics of the caller's functions.
func TestStagingSurvivesPanics(t *testing.T) {
	r, p := stagingRun(t, colours(21))
	r.Observe = func(rec Record) {
		if rec.Step == 3 {
			panic("observed too much")
		}
	}
	defer func() {
		if got := recover(); got != "observed too much" {
			t.Errorf("recovered %v", got)
		}
	}()
	t.Error(r.Train(t.Context(), newStaging(t, &fakeBackend{}, 15), p))
}

// TestChunksAreNotStaged, as each is a record that is made when it is needed.
func TestChunksAreNotStaged(t *testing.T) {
	r, p := stagingRun(t, colours(21))
	r.Chunk = 2
	b := newStaging(t, &fakeBackend{}, 0)
	if err := r.Train(t.Context(), b, p); !errors.Is(err, backends.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

// TestFinetuneStages as Train does: the score is the same.
func TestFinetuneStages(t *testing.T) {
	f := Finetune{Classes: 3, Batch: 6, Epochs: 2, EvaluateEvery: 1}
	score := func(b backends.Backend) float64 {
		t.Helper()
		accuracy, err := f.Score(t.Context(), b, testConfig(), nil, tints(18), tints(9))
		if err != nil {
			t.Fatal(err)
		}
		return accuracy
	}
	b := newStaging(t, openBackend(t), 6)
	if got, want := score(b), score(openBackend(t)); got != want {
		t.Errorf("the accuracy is %g, without staging %g", got, want)
	}
	if b.stages.Load() != 6 || b.steps.Load() != 6 {
		t.Errorf("%d batches staged for %d steps, want 6", b.stages.Load(), b.steps.Load())
	}
}
