package gorgonia

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/internal/trace"
)

type program struct {
	device   device.Device
	name     string // of the device
	recorder *recorder
	release  func() error // what Close does last
	step     *graph.Step
	state    *state
	memory   *arena          // of whichever tape is running
	train    *tape           // nil if the step has none
	eval     *tape           // Features
	project  *tape           // Project
	sums     *sums           // what Backward needs; nil until it is called
	ahead    *ahead          // batches for steps to come; nil where the device takes none in
	trace    *trace.Recorder // of training; nil for none
	closed   bool
}

// compile prepares a step for a backend, which must stay open.
func compile(ctx context.Context, b *backend, s *graph.Step) (_ *program, err error) {
	d := b.device
	p := &program{
		device: d, name: b.info.Device, recorder: b.recorder, step: s, memory: &arena{device: d}, release: func() error { return nil },
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	var changing []*graph.Node
	for _, u := range s.Updates {
		changing = append(changing, u.Target)
	}
	if p.state, err = newState(d, s.Tensors(), changing); err != nil {
		return nil, fmt.Errorf("the tensors of the step: %w", err)
	}
	training := recipe{step: s, given: p.state.current}
	_, training.staged = d.(device.Receiver)
	if s.Loss != nil {
		training.outputs = s.Outputs()[:len(s.Outputs())-len(s.Updates)]
		for _, u := range s.Updates {
			training.stores = append(training.stores, store{u.Value, p.state.next[u.Target]})
		}
	}
	for _, part := range []struct {
		tape    **tape
		present bool
		recipe  recipe
	}{
		{&p.train, s.Loss != nil, training},
		{&p.eval, s.Features != nil, recipe{step: s, given: p.state.current, outputs: []*graph.Node{s.Features}, part: true}},
		{&p.project, s.Project != nil, recipe{step: s, given: p.state.current, outputs: []*graph.Node{s.Project}}},
	} {
		if !part.present {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if *part.tape, err = p.newTape(part.recipe); err != nil {
			return nil, err
		}
	}
	if err := p.rehearse(ctx, p.train, p.eval, p.project); err != nil {
		return nil, err
	}
	if p.train != nil {
		if p.trace, err = trace.NewRecorder(b.profile); err != nil {
			return nil, err
		}
		p.train.run.trace = p.trace
	}
	return p, nil
}

// newTape compiles a recipe and makes room for it.
func (p *program) newTape(r recipe) (*tape, error) {
	t, err := newTape(p.device, p.memory, r)
	if err != nil {
		return nil, err
	}
	t.recorder, t.run.device = p.recorder, p.name
	return t, p.room(t)
}

// room makes the memory large enough for a tape.
func (p *program) room(t *tape) error {
	if err := p.memory.grow(t.bytes); err != nil {
		return t.adviseBatch(0, err)
	}
	return nil
}

// rehearse runs tapes once on a device that loads what computes only then. It changes no tensor that anyone reads.
func (p *program) rehearse(ctx context.Context, tapes ...*tape) error {
	if _, late := p.device.(device.LateLoader); !late {
		return nil
	}
	for _, t := range tapes {
		if t == nil {
			continue
		}
		if err := p.tryOut(ctx, t); err != nil {
			return t.adviseBatch(p.memory.size, fmt.Errorf("trying it before it is relied on: %w", err))
		}
	}
	return nil
}

// tryOut runs a tape on whatever lies in memory, but for labels, which have to be those of classes.
func (p *program) tryOut(ctx context.Context, t *tape) error {
	if err := p.room(t); err != nil {
		return err
	}
	if t.classes != nil {
		if err := p.device.Upload(t.classes.pointer(), make([]byte, t.classes.bytes)); err != nil {
			return err
		}
	}
	if err := t.call(ctx); err != nil {
		return err
	}
	if len(t.results) == 0 {
		return nil
	}
	_, err := read(t.results[0], 1) // an error of what runs on the device comes with what waits for it
	return err
}

var errClosed = errors.New("the program is closed")

func (p *program) Step(ctx context.Context, batch arrow.Record, lr float32) (backends.Metrics, error) {
	m, err := p.trainStep(ctx, batch, lr)
	if err != nil {
		return backends.Metrics{}, fmt.Errorf("step: %w", err)
	}
	return m, nil
}

func (p *program) trainStep(ctx context.Context, batch arrow.Record, lr float32) (backends.Metrics, error) {
	switch {
	case p.closed:
		return backends.Metrics{}, errClosed
	case p.train == nil:
		return backends.Metrics{}, errors.New("this program only evaluates: compile a step with a loss to train")
	}
	in, err := p.prepare(p.train, batch, backends.Train)
	if err != nil {
		return backends.Metrics{}, err
	}
	taken, err := p.ahead.take(batch, p.train)
	if err == nil && !taken {
		err = p.upload(p.train, in)
	}
	if err == nil {
		err = p.setRate(p.train, lr)
	}
	if err != nil {
		return backends.Metrics{}, err
	}
	if err := p.train.call(ctx); err != nil {
		return backends.Metrics{}, err
	}
	var scalars [3]float32 // loss, accuracy and spread, which stays 0 where the step has none
	for i, v := range p.train.results {
		number, err := read(v, 1)
		if err != nil {
			return backends.Metrics{}, err
		}
		scalars[i] = number[0]
	}
	p.state.advance()
	p.sums.clear()
	return backends.Metrics{Loss: scalars[0], Accuracy: scalars[1], Spread: scalars[2]}, nil
}

// An input is what a tape reads of a batch.
type input struct {
	rows  int      // views
	parts [][]byte // for the tape's inputs
}

// read returns what the tape reads of a batch. The views are those of the record itself.
func (t *tape) read(batch arrow.Record, m backends.Mode) (input, error) {
	if t.image == nil {
		return input{}, errors.New("the step depends on no image")
	}
	pixels, rows, err := backends.Views(t.image, batch, m, t.labels != nil)
	if err != nil {
		return input{}, err
	}
	in := input{rows, [][]byte{pixels}}
	if t.labels == nil {
		return in, nil
	}
	labels, err := backends.Labels(t.labels, batch)
	if err != nil {
		return input{}, err
	}
	classes := make([]int32, len(labels))
	for i, label := range labels {
		classes[i] = int32(label)
	}
	in.parts = append(in.parts, bytesOf(classes))
	return in, nil
}

// inputs are where the tape reads a batch.
func (t *tape) inputs() []unsafe.Pointer {
	at := []unsafe.Pointer{t.pixels.pointer()}
	if t.labels != nil {
		at = append(at, t.classes.pointer())
	}
	return at
}

// feed gives a tape what it reads of a batch, whose number of views it returns.
func (p *program) feed(t *tape, batch arrow.Record, m backends.Mode, lr float32) (rows int, err error) {
	in, err := p.prepare(t, batch, m)
	if err != nil {
		return 0, err
	}
	if err := p.upload(t, in); err != nil {
		return 0, err
	}
	return in.rows, p.setRate(t, lr)
}

// prepare makes a tape ready for a batch.
func (p *program) prepare(t *tape, batch arrow.Record, m backends.Mode) (input, error) {
	in, err := t.read(batch, m)
	if err != nil {
		return in, err
	}
	if err := p.room(t); err != nil { // it may be gone, after there was none for another tape
		return in, err
	}
	t.rows(in.rows)
	return in, nil
}

// upload copies a batch to where a tape reads it.
func (p *program) upload(t *tape, in input) error {
	for i, to := range t.inputs() {
		if err := p.device.Upload(to, in.parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// setRate sets the learning rate of a tape that reads one.
func (p *program) setRate(t *tape, lr float32) error {
	if t.rate == nil {
		return nil
	}
	return write(t.rate, []float32{lr})
}

func (p *program) Embed(ctx context.Context, batch arrow.Record, m backends.Mode) (backends.Embeddings, error) {
	e, err := p.embed(ctx, batch, m)
	if err != nil {
		return backends.Embeddings{}, fmt.Errorf("embed: %w", err)
	}
	return e, nil
}

func (p *program) embed(ctx context.Context, batch arrow.Record, m backends.Mode) (backends.Embeddings, error) {
	t := p.eval
	if m == backends.Train {
		t = p.project
	}
	switch {
	case p.closed:
		return backends.Embeddings{}, errClosed
	case t == nil:
		return backends.Embeddings{}, errors.New("the step has no such output: it needs Features for mode Eval, Project for mode Train")
	}
	rows, err := p.feed(t, batch, m, 0)
	if err != nil {
		return backends.Embeddings{}, err
	}
	if err := t.call(ctx); err != nil {
		return backends.Embeddings{}, err
	}
	dim := t.results[0].shape[1]
	data, err := read(t.results[0], rows*dim)
	if err != nil {
		return backends.Embeddings{}, err
	}
	return backends.Embeddings{Rows: rows, Dim: dim, Data: data}, nil
}

func (p *program) Load(w backends.Weights) error {
	if p.closed {
		return fmt.Errorf("load: %w", errClosed)
	}
	values, err := backends.Match(p.step, w)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	for i, n := range p.step.Tensors() {
		if err := write(p.state.current[n], values[i]); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	p.sums.clear()
	return nil
}

func (p *program) Save() (backends.Weights, error) {
	if p.closed {
		return nil, fmt.Errorf("save: %w", errClosed)
	}
	return readAll(p.step.Tensors(), p.state)
}

// readAll returns the current values of tensors.
func readAll(tensors []*graph.Node, s *state) (backends.Weights, error) {
	var w backends.Weights
	for _, n := range tensors {
		data, err := read(s.current[n], n.Size())
		if err != nil {
			return nil, fmt.Errorf("%v: %w", n, err)
		}
		w = append(w, backends.Tensor{Name: n.Name, Shape: slices.Clone(n.Shape), Data: data})
	}
	return w, nil
}

func (p *program) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	return errors.Join(p.ahead.free(), p.train.close(), p.eval.close(), p.project.close(), p.sums.close(), p.state.free(), p.memory.free(), p.trace.Close(), p.release())
}
