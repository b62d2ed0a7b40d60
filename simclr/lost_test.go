package simclr

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

var errLost = errors.New("the device is lost")

// A lostBackend loses its device after so many steps.
type lostBackend struct {
	fakeBackend
	after int
}

type lostProgram struct {
	backends.Program
	backend *lostBackend
}

func (b *lostBackend) Compile(ctx context.Context, s *graph.Step) (backends.Program, error) {
	p, err := b.fakeBackend.Compile(ctx, s)
	return &lostProgram{p, b}, err
}

func (p *lostProgram) Step(ctx context.Context, batch arrow.Record, lr float32) (backends.Metrics, error) {
	if p.backend.steps == p.backend.after {
		p.backend.after = -1
	}
	if p.backend.after < 0 {
		return backends.Metrics{}, errLost
	}
	return p.Program.Step(ctx, batch, lr)
}

func (p *lostProgram) Save() (backends.Weights, error) {
	if p.backend.after < 0 {
		return nil, errLost
	}
	return p.Program.Save()
}

// TestLostDevice has weights that are gone when a step fails: the error says what is saved, and the run goes on from there.
func TestLostDevice(t *testing.T) {
	r := Run{Dir: t.TempDir(), Config: testConfig(), CheckpointEvery: 4}
	err := r.Train(t.Context(), &lostBackend{after: 6}, testPipeline(t, 2))
	if !errors.Is(err, errLost) || !strings.Contains(err.Error(), "the run is saved after step 4 only, go on from there: no checkpoint of step 6: the device is lost") {
		t.Errorf("error %v", err)
	}
	if c, err := ReadCheckpoint(r.Dir); err != nil || c.Step != 4 {
		t.Fatalf("the checkpoint is %+v (%v), want that of step 4", c, err)
	}
	r.Resume = true
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	if digest(t, r.Dir) != uninterrupted(t) {
		t.Error("the run does not end as if nothing had happened")
	}
}
