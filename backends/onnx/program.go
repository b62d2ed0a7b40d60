package onnx

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	ort "github.com/yalue/onnxruntime_go"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

type program struct {
	step    *graph.Step
	state   *state
	train   *session // nil if the step has none
	eval    *session // Features
	project *session // Project
	rate    *tensor
	metrics [3]*tensor // loss, accuracy and spread, which stays 0 where the step has none
	sums    *sums      // what Backward needs; nil until it is called
	library string
	how     settings // of sessions that are compiled later
	closed  bool
}

func compile(ctx context.Context, s *graph.Step, library string, how settings) (_ *program, err error) {
	if err := hold(library); err != nil {
		return nil, err
	}
	p := &program{step: s, library: library, how: how}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.state, err = newState(s); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		session **session
		outputs []*graph.Node
		mode    backends.Mode
	}{
		{&p.train, s.Outputs(), backends.Train},
		{&p.eval, present(s.Features), backends.Eval},
		{&p.project, present(s.Project), backends.Train},
	} {
		if len(part.outputs) == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, err := lower(s.Graph, part.outputs, part.mode == backends.Eval, how)
		if err != nil {
			return nil, err
		}
		if part.session != &p.train {
			how.profile = ""
		}
		if *part.session, err = newSession(m, library, how); err != nil {
			return nil, err
		}
	}
	for _, t := range []**tensor{&p.rate, &p.metrics[0], &p.metrics[1], &p.metrics[2]} {
		if *t, err = newTensor([]int{1}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func present(n *graph.Node) []*graph.Node {
	if n == nil {
		return nil
	}
	return []*graph.Node{n}
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
	if p.closed {
		return backends.Metrics{}, errClosed
	}
	if p.train == nil {
		return backends.Metrics{}, errors.New("this program only evaluates: compile a step with a loss to train")
	}
	v, err := newViews(p.train.model, batch, backends.Train)
	if err != nil {
		return backends.Metrics{}, err
	}
	defer v.release()
	p.rate.data[0] = lr
	var out []ort.Value
	for i := range len(p.train.model.outputs) - len(p.step.Updates) {
		out = append(out, p.metrics[i].value)
	}
	for _, u := range p.step.Updates {
		out = append(out, p.state.next(u.Target).value)
	}
	if err := p.call(ctx, p.train, v, out); err != nil {
		return backends.Metrics{}, err
	}
	p.state.advance()
	p.sums.clear()
	return backends.Metrics{
		Loss:     p.metrics[0].data[0],
		Accuracy: p.metrics[1].data[0],
		Spread:   p.metrics[2].data[0],
	}, nil
}

func (p *program) Embed(ctx context.Context, batch arrow.Record, m backends.Mode) (backends.Embeddings, error) {
	e, err := p.embed(ctx, batch, m)
	if err != nil {
		return backends.Embeddings{}, fmt.Errorf("embed: %w", err)
	}
	return e, nil
}

func (p *program) embed(ctx context.Context, batch arrow.Record, m backends.Mode) (backends.Embeddings, error) {
	s := p.eval
	if m == backends.Train {
		s = p.project
	}
	switch {
	case p.closed:
		return backends.Embeddings{}, errClosed
	case s == nil:
		return backends.Embeddings{}, errors.New("the step has no such output: it needs Features for mode Eval, Project for mode Train")
	}
	v, err := newViews(s.model, batch, m)
	if err != nil {
		return backends.Embeddings{}, err
	}
	defer v.release()
	dim := s.model.outputs[0].Shape[1]
	t, err := newTensor([]int{v.rows, dim})
	if err != nil {
		return backends.Embeddings{}, err
	}
	defer t.free()
	if err := p.call(ctx, s, v, []ort.Value{t.value}); err != nil {
		return backends.Embeddings{}, err
	}
	return backends.Embeddings{Rows: v.rows, Dim: dim, Data: slices.Clone(t.data)}, nil
}

// call runs a session on views and the current tensors.
func (p *program) call(ctx context.Context, s *session, v *views, out []ort.Value) error {
	in := []ort.Value{v.value}
	if v.labels != nil {
		in = append(in, v.labels)
	}
	if s.model.rate != nil {
		in = append(in, p.rate.value)
	}
	for _, n := range s.model.tensors {
		in = append(in, p.state.current(n).value)
	}
	return s.call(ctx, in, out)
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
		t := p.state.current(n)
		clear(t.data)
		copy(t.data, values[i])
	}
	p.sums.clear()
	return nil
}

func (p *program) Save() (backends.Weights, error) {
	if p.closed {
		return nil, fmt.Errorf("save: %w", errClosed)
	}
	var w backends.Weights
	for _, n := range p.step.Tensors() {
		data := slices.Clone(p.state.current(n).data)
		w = append(w, backends.Tensor{Name: n.Name, Shape: slices.Clone(n.Shape), Data: data})
	}
	return w, nil
}

func (p *program) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	err := errors.Join(p.train.close(), p.eval.close(), p.project.close(), p.sums.close())
	p.state.free()
	for _, t := range []*tensor{p.rate, p.metrics[0], p.metrics[1], p.metrics[2]} {
		t.free()
	}
	return errors.Join(err, release())
}
