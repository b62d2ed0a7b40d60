package simclr

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/pipeline"
)

// A Run is a pretraining in a directory. Its result is Dir/weights.safetensors.
type Run struct {
	// Dir is where checkpoints and metrics.jsonl go. It is created.
	Dir string
	Config

	// Init are the tensors of the given names that the run begins with instead of random ones; Config.InitSHA256 says which. See
	// ReadPretrained. A run that goes on from a checkpoint does not need them. The default is nil: all are random.
	Init backends.Weights
	// Resume goes on from the latest checkpoint in Dir, or starts where there is none yet. The plan of the pipeline and the
	// Config must be those of the checkpoint. The default is false: a directory that holds a run is refused.
	Resume bool
	// MaxSteps ends the run after that many steps, although the schedule is that of Config.Epochs. The default is 0: at the
	// end of the schedule.
	MaxSteps int
	// CheckpointEvery is the number of steps between checkpoints. The default is one epoch. There is also one before the first
	// step and at the end, whatever ends the run.
	CheckpointEvery int
	// BeforeCheckpoint puts on disk what a run that goes on from the next checkpoint does not meet again, such as
	// datasets.Quarantine.Flush its bad images. An error ends the run. The default is nil.
	BeforeCheckpoint func() error
	// Keep is the number of checkpoints to keep. The default is 2.
	Keep int
	// EvaluateEvery is the number of steps between evaluations; there is also one before the first step and after the last.
	// The default is 0: none at all.
	EvaluateEvery int
	// Evaluate measures the encoder as it stands; the results go to metrics.jsonl under their names. It must not close it.
	Evaluate func(ctx context.Context, e *Encoder) (map[string]float64, error)
	// MinSpread is the spread of projections (graph.Graph.Spread) below which, for 20 steps on end, the run counts as
	// collapsed and stops. The default is 0.02.
	MinSpread float64
	// Observe is told of each step and evaluation. The default is nil.
	Observe func(Record)
	// Settings are recorded with each checkpoint and given back by ReadCheckpoint; Train does not look at them.
	Settings map[string]string
}

// ErrStopped says that the context ended the run. Its last checkpoint is that of the last step done, so nothing is lost.
var ErrStopped = errors.New("stopped")

var (
	errDiverged  = errors.New("the run has diverged; the last good checkpoint is kept: resume with a lower learning rate in a new run, or a longer warm-up")
	errCollapsed = errors.New("the embeddings have collapsed to one point; the last good checkpoint is kept: start again with a lower learning rate, a larger batch or another temperature")
)

const collapsedSteps = 20

// Train runs the steps that are left. Two runs with the same Config, pipeline plan and Backend.Info end with the same bits,
// however often they were stopped or killed and resumed, and however many workers the pipeline has. Where the program of the backend
// is a backends.Stager, a goroutine of Train's ranges over the pipeline, whose OnBad may then be called beside Observe, Evaluate and
// BeforeCheckpoint, for the batch after theirs.
func (r Run) Train(ctx context.Context, b backends.Backend, p *pipeline.Pipeline) (err error) {
	if err := r.Validate(); err != nil {
		return err
	}
	if err := r.checkPipeline(p); err != nil {
		return err
	}
	last, err := r.open(p)
	if err != nil {
		return err
	}
	images := p.Plan().Batch
	if r.Chunk > 0 {
		images = r.Chunk
	}
	step, initial, err := r.Model.TrainStep(images, r.Optimizer, r.Seed)
	if err != nil {
		return err
	}
	program, err := b.Compile(ctx, step)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, program.Close()) }()

	t := &training{Run: r, pipeline: p, program: program, info: b.Info(), saved: -1}
	t.steps = r.Epochs * p.Steps()
	t.end = t.steps
	if r.MaxSteps > 0 {
		t.end = min(t.end, r.MaxSteps)
	}
	if t.CheckpointEvery == 0 {
		t.CheckpointEvery = p.Steps()
	}
	if t.Keep == 0 {
		t.Keep = 2
	}
	if t.MinSpread == 0 {
		t.MinSpread = 0.02
	}
	if last != nil {
		if initial, err = last.all(); err != nil {
			return err
		}
		t.done, t.saved = last.Step, last.Step
	} else if initial, err = r.begin(initial); err != nil {
		return err
	}
	if err := program.Load(initial); err != nil {
		return err
	}
	if t.log, err = openMetrics(r.Dir, t.done); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.log.close()) }()
	// Only now is it sure that no other process is writing one.
	if err := removeAbandoned(r.Dir); err != nil {
		return err
	}
	return t.run(ctx)
}

// open prepares the directory and returns the checkpoint to go on from, or nil for a start.
func (r Run) open(p *pipeline.Pipeline) (*Checkpoint, error) {
	if err := os.MkdirAll(r.Dir, 0o777); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(r.Dir, infoFile)); err == nil {
		return nil, fmt.Errorf("%s is a checkpoint: name the directory of its run", r.Dir)
	}
	last, err := ReadCheckpoint(r.Dir)
	switch {
	case errors.Is(err, ErrNoCheckpoint):
		return nil, nil
	case err != nil:
		return nil, err
	case !r.Resume:
		return nil, r.errExists()
	}
	if last.Config != r.Config {
		return nil, fmt.Errorf("%s was trained with another configuration: %s; resume without those flags or start a new run", r.Dir, last.Config.diff(r.Config))
	}
	if diff := p.Plan().Diff(last.Plan); diff != "" {
		return nil, fmt.Errorf("%s was trained on other batches: %s; resume with the same data and stages or start a new run", r.Dir, diff)
	}
	return last, nil
}

func (r Run) errExists() error {
	return fmt.Errorf("%s holds a run already: resume it, or choose another directory", r.Dir)
}

// all reads weights and momentum.
func (c *Checkpoint) all() (backends.Weights, error) {
	w, err := c.Weights()
	if err != nil {
		return nil, err
	}
	m, err := c.momentum()
	if err != nil {
		return nil, err
	}
	return append(w, m...), nil
}

// training is a Run on its way.
type training struct {
	Run
	pipeline *pipeline.Pipeline
	program  backends.Program
	info     backends.Info
	log      *metricsLog
	steps    int // of the schedule
	end      int // of this run
	done     int
	saved    int // step of the latest checkpoint, -1 if there is none
	flat     int // steps on end with a spread below MinSpread
}

func (t *training) run(ctx context.Context) error {
	if t.saved < 0 {
		// From here on there is a good checkpoint to keep, and one that knows the settings.
		if err := t.save(); err != nil {
			return err
		}
	}
	if err := t.evaluate(ctx); err != nil {
		return t.stop(ctx, err)
	}
	if t.done >= t.end {
		return nil
	}
	before := time.Now()
	for batch, err := range t.batches(ctx) {
		if err != nil {
			return t.stop(ctx, err)
		}
		if err := t.step(ctx, batch, before, time.Since(before)); err != nil {
			return t.stop(ctx, err)
		}
		if t.done%t.CheckpointEvery == 0 || t.done == t.end {
			if err := t.save(); err != nil {
				return err
			}
		}
		if err := t.evaluate(ctx); err != nil {
			return t.stop(ctx, err)
		}
		if t.done == t.end {
			return nil
		}
		before = time.Now()
	}
	return t.stop(ctx, fmt.Errorf("the pipeline ended before the run: give it %d epochs", t.Epochs))
}

// batches are those of the steps that are left.
func (t *training) batches(ctx context.Context) iter.Seq2[arrow.Record, error] {
	if t.Chunk > 0 { // its steps read chunks, which are records of their own
		return t.pipeline.Batches(ctx, t.done)
	}
	return ahead(ctx, t.pipeline, t.program, t.done, t.end)
}

// step takes one training step.
func (t *training) step(ctx context.Context, batch arrow.Record, start time.Time, wait time.Duration) error {
	rate := t.Optimizer.rate(t.done, t.pipeline.Steps(), t.steps)
	take := t.program.Step
	if t.Chunk > 0 {
		take = t.stepInChunks
	}
	m, err := take(ctx, batch, rate)
	if err != nil {
		return err
	}
	if l := float64(m.Loss); math.IsNaN(l) || math.IsInf(l, 0) {
		return fmt.Errorf("step %d: the loss is %v: %w", t.done+1, m.Loss, errDiverged)
	}
	if float64(m.Spread) >= t.MinSpread {
		t.flat = 0
	} else if t.flat++; t.flat >= collapsedSteps {
		return fmt.Errorf("step %d: spread %.3g: %w", t.done+1, m.Spread, errCollapsed)
	}
	t.done++
	elapsed := time.Since(start)
	share := wait.Seconds() / elapsed.Seconds()
	return t.record(Record{
		Step: t.done, Epoch: t.epoch(),
		Loss: &m.Loss, Accuracy: &m.Accuracy, Spread: &m.Spread, LearningRate: &rate,
		Images: float64(batch.NumRows()) / elapsed.Seconds(), Wait: &share,
	})
}

func (t *training) epoch() float64 { return float64(t.done) / float64(t.pipeline.Steps()) }

func (t *training) record(r Record) error {
	if err := t.log.append(r); err != nil {
		return err
	}
	if t.Observe != nil {
		t.Observe(r)
	}
	return nil
}

// stop ends the run after an error and saves the steps done so far, unless they are what is wrong.
func (t *training) stop(ctx context.Context, err error) error {
	if errors.Is(err, errDiverged) || errors.Is(err, errCollapsed) {
		return err
	}
	if failed := t.save(); failed != nil {
		return fmt.Errorf("%w; the run is saved after step %d only, go on from there: %w", err, t.saved, failed)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w after step %d of %d", ErrStopped, t.done, t.end)
	}
	return fmt.Errorf("%w; the run is saved after step %d of %d: resume it when that is mended", err, t.done, t.end)
}

func (t *training) save() error {
	if t.done == t.saved {
		return nil
	}
	if t.BeforeCheckpoint != nil {
		if err := t.BeforeCheckpoint(); err != nil {
			return err
		}
	}
	w, err := t.program.Save()
	if err != nil {
		return fmt.Errorf("no checkpoint of step %d: %w", t.done, err)
	}
	plan := t.pipeline.Plan()
	c := &Checkpoint{
		Format: checkpointFormat, Step: t.done, Steps: t.steps,
		Config: t.Config, Plan: plan, PlanHash: plan.Hash(), Backend: t.info, Settings: t.Settings,
	}
	if err := c.save(t.Dir, w); err != nil {
		return err
	}
	t.saved = t.done
	return prune(t.Dir, t.done, t.Keep)
}

// evaluate measures the encoder if it is time to, and has not been done before a restart.
func (t *training) evaluate(ctx context.Context) error {
	if t.Evaluate == nil || t.EvaluateEvery == 0 || t.log.evaluated == t.done || t.done%t.EvaluateEvery != 0 && t.done != t.end {
		return nil
	}
	results, err := t.Evaluate(ctx, &Encoder{model: t.Model, program: t.program})
	if err != nil {
		return fmt.Errorf("evaluation after step %d: %w", t.done, err)
	}
	return t.record(Record{Step: t.done, Epoch: t.epoch(), Evaluation: results})
}
