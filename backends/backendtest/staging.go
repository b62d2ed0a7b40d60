package backendtest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// testStaging gives batches to a program before their steps.
func testStaging(t *testing.T, s *suite) {
	st, w, _ := newNetwork(15)
	if _, ok := program(t, s.backend, st, w).(backends.Stager); !ok {
		t.Skip("to stage batches is optional, and this backend does not on this device")
	}
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"Overlap", testOverlap},
		{"Copies", testStagedCopies},
		{"BesideOthers", testStagingBesideOthers},
		{"Errors", testStagingErrors},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

func stager(t *testing.T, b backends.Backend, s *graph.Step, w backends.Weights) backends.Stager {
	t.Helper()
	p, ok := program(t, b, s, w).(backends.Stager)
	if !ok {
		t.Fatal("some programs of a backend stage batches, and others do not")
	}
	return p
}

func stage(t *testing.T, p backends.Stager, batch arrow.Record) {
	t.Helper()
	if err := p.Stage(t.Context(), batch); err != nil {
		t.Fatalf("Stage: %v", err)
	}
}

// stepOn is step on a record.
func stepOn(t *testing.T, p backends.Program, batch arrow.Record) backends.Metrics {
	t.Helper()
	m, err := p.Step(t.Context(), batch, rate)
	if err != nil {
		t.Fatalf("Step: %v", err)
	}
	return m
}

// testOverlap stages each batch while the step before runs, as a training does, with labels and without.
func testOverlap(t *testing.T, s *suite) {
	for name, make := range map[string]func() (*graph.Step, backends.Weights, func(seed uint64) pixels){
		"pairs": func() (*graph.Step, backends.Weights, func(seed uint64) pixels) {
			st, w, _ := newNetwork(16)
			return st, w, func(seed uint64) pixels { return pairs(seed, batchSize, height, width) }
		},
		"labels": func() (*graph.Step, backends.Weights, func(seed uint64) pixels) {
			st, w := newClassifier(16)
			return st, w, func(seed uint64) pixels {
				p := classBatch(seed)
				return p.labelled(slices.Concat(p.labels[seed:], p.labels[:seed])...)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			st, w, batch := make()
			got, want := stager(t, s.backend, st, w), program(t, s.backend, st, w)
			const steps = 8
			var records []arrow.Record
			for i := range uint64(steps) {
				records = append(records, batch(i).record(t))
			}
			staged := stageAll(t.Context(), got, records)
			for i := range records {
				if err := <-staged; err != nil {
					t.Fatal(err)
				}
				if g, w := stepOn(t, got, records[i]), step(t, want, batch(uint64(i)), rate); g != w {
					t.Errorf("metrics of step %d are %v, without staging %v", i, g, w)
				}
			}
			same(t, "weights after steps on staged batches", save(t, got), save(t, want))
		})
	}
}

// stageAll stages records, each when what came of the one before has been received.
func stageAll(ctx context.Context, p backends.Stager, records []arrow.Record) <-chan error {
	staged := make(chan error)
	go func() {
		defer close(staged)
		for _, r := range records {
			select {
			case staged <- p.Stage(ctx, r):
			case <-ctx.Done():
				return
			}
		}
	}()
	return staged
}

// testStagedCopies spoils records after Stage, which nobody else may: so it shows which steps take the copy.
func testStagedCopies(t *testing.T, s *suite) {
	st, w, _ := newNetwork(17)
	got, want := stager(t, s.backend, st, w), program(t, s.backend, st, w)
	batch := func(i int) pixels { return pairs(uint64(i), batchSize, height, width) }
	var records []arrow.Record
	for i := range 4 {
		records = append(records, batch(i).record(t))
	}
	spoil := func(i int) {
		t.Helper()
		pix, _, err := pipeline.Views(records[i])
		if err != nil {
			t.Fatal(err)
		}
		clear(pix)
	}
	check := func(i int, pix pixels) {
		t.Helper()
		if g, w := stepOn(t, got, records[i]), step(t, want, pix, rate); g != w {
			t.Errorf("metrics of a step on batch %d are %v, without staging %v", i, g, w)
		}
	}
	for _, i := range []int{0, 1, 2} {
		stage(t, got, records[i]) // batch 0 makes room for batch 2
	}
	spoil(1)
	spoil(2)
	check(0, batch(0))
	check(2, batch(2)) // before the one that was staged first
	check(3, batch(3)) // which was not staged
	check(1, batch(1))
	black := batch(1)
	black.data = make([]byte, len(black.data))
	check(1, black) // no copy is used twice
	stage(t, got, records[3])
	stage(t, got, records[3])
	spoil(3)
	check(3, batch(3))
	check(3, batch(3))
	same(t, "weights after steps on staged batches", save(t, got), save(t, want))
	stage(t, got, records[0]) // and nobody takes it
}

// testStagingBesideOthers stages batches while every other method runs.
func testStagingBesideOthers(t *testing.T, s *suite) {
	st, w, _ := newNetwork(18)
	got, want := stager(t, s.backend, st, w), program(t, s.backend, st, w)
	batch := pairs(1, batchSize, height, width)
	var records []arrow.Record
	for i := range 40 {
		records = append(records, pairs(uint64(i), batchSize, height, width).record(t))
	}
	ctx, cancel := context.WithCancel(t.Context())
	staged := stageAll(ctx, got, records)
	defer func() {
		cancel()
		for range staged { // until nothing is staged any more
		}
	}()
	beside := func() {
		t.Helper()
		for range 2 {
			if err := <-staged; err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		for i, p := range []backends.Program{got, want} {
			check := func(err error) {
				t.Helper()
				if err != nil && !errors.Is(err, backends.ErrUnsupported) {
					t.Fatal(err)
				}
				if i == 0 {
					beside()
				}
			}
			_, err := p.Step(t.Context(), batch.record(t), rate)
			check(err)
			w, err := p.Save()
			check(err)
			check(p.Load(w))
			_, err = p.Embed(t.Context(), singles(1, evalRows, height, width).record(t), backends.Eval)
			check(err)
			check(p.Backward(t.Context(), batch.record(t), make([]float32, st.Project.Size())))
			check(p.Update(rate))
		}
	}
	same(t, "weights after other methods beside Stage", save(t, got), save(t, want))
}

// testStagingErrors stages what cannot be: the steps go on without.
func testStagingErrors(t *testing.T, s *suite) {
	st, w, _ := newNetwork(19)
	got, want := stager(t, s.backend, st, w), program(t, s.backend, st, w)
	batch := pairs(1, batchSize, height, width)
	record := batch.record(t)
	if err := got.Stage(t.Context(), pairs(1, batchSize-1, height, width).record(t)); err == nil {
		t.Error("Stage took a smaller batch")
	}
	if err := got.Stage(cancelled(t), record); !errors.Is(err, context.Canceled) {
		t.Errorf("Stage with a cancelled context returned %v", err)
	}
	stage(t, got, record)
	if _, err := got.Step(cancelled(t), record, rate); !errors.Is(err, context.Canceled) {
		t.Errorf("Step with a cancelled context returned %v", err)
	}
	if g, w := stepOn(t, got, record), step(t, want, batch, rate); g != w {
		t.Errorf("after errors the metrics of a step are %v, want %v", g, w)
	}
	same(t, "weights after errors of Stage", save(t, got), save(t, want))
	stage(t, got, record)
	if err := got.Close(); err != nil {
		t.Errorf("Close with a staged batch: %v", err)
	}
	if err := got.Stage(t.Context(), record); err == nil {
		t.Error("Stage took a batch after Close")
	}
}
