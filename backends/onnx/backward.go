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

// sums are the step in two models, and what the first has yielded so far. A model writes to tensors of its own, which are
// added once it has run, so that a run that fails has changed nothing.
type sums struct {
	division   graph.Division
	backward   *session // ProjectGrad given: gradients, then moved statistics
	update     *session // gradients given
	dEmbedding *tensor
	gradients  []*tensor // in the order of the division
	moved      map[*graph.Node]*tensor
	results    []*tensor // of backward
	batches    int       // added up
}

// newSums compiles both models. Most programs never need them.
func newSums(ctx context.Context, p *program) (_ *sums, err error) {
	s := &sums{moved: map[*graph.Node]*tensor{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.division, err = p.step.Divide(); err != nil {
		return nil, err
	}
	var gradients, results, applied []*graph.Node
	for _, g := range s.division.Gradients {
		gradients = append(gradients, g.Value)
		t, err := newTensor(tensorShape(g.Param))
		if err != nil {
			return nil, err
		}
		s.gradients = append(s.gradients, t)
	}
	results = slices.Clone(gradients)
	for _, u := range s.division.Moved {
		results = append(results, u.Value)
		if s.moved[u.Target], err = newTensor(tensorShape(u.Target)); err != nil {
			return nil, err
		}
	}
	for _, n := range results {
		t, err := newTensor(tensorShape(n))
		if err != nil {
			return nil, err
		}
		s.results = append(s.results, t)
	}
	for _, u := range s.division.Applied {
		applied = append(applied, u.Value)
	}
	if s.dEmbedding, err = newTensor(p.step.Project.Shape); err != nil {
		return nil, err
	}
	how := p.how
	for _, part := range []struct {
		session        **session
		given, outputs []*graph.Node
	}{
		{&s.backward, []*graph.Node{p.step.ProjectGrad}, results},
		{&s.update, gradients, applied},
	} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, err := lowerFrom(p.step.Graph, part.given, part.outputs, false, how)
		if err != nil {
			return nil, err
		}
		if *part.session, err = newSession(m, p.library, how); err != nil {
			return nil, err
		}
		how.profile = ""
	}
	// The profile of a program that steps in parts is that of backward.
	p.train.profile.discard()
	p.train.profile = nil
	return s, nil
}

// clear drops what was added up.
func (s *sums) clear() {
	if s == nil {
		return
	}
	for _, t := range s.gradients {
		clear(t.data)
	}
	s.batches = 0
}

func (s *sums) close() error {
	if s == nil {
		return nil
	}
	for _, t := range slices.Concat(s.gradients, s.results, []*tensor{s.dEmbedding}) {
		t.free()
	}
	for _, t := range s.moved {
		t.free()
	}
	return errors.Join(s.backward.close(), s.update.close())
}

func (p *program) Backward(ctx context.Context, batch arrow.Record, dEmbedding []float32) error {
	if err := p.backward(ctx, batch, dEmbedding); err != nil {
		return fmt.Errorf("backward: %w", err)
	}
	return nil
}

func (p *program) backward(ctx context.Context, batch arrow.Record, dEmbedding []float32) error {
	if p.closed {
		return errClosed
	}
	if p.sums == nil {
		s, err := newSums(ctx, p)
		if err != nil {
			return err
		}
		p.sums = s
	}
	s := p.sums
	if want := len(s.dEmbedding.data); len(dEmbedding) != want {
		return fmt.Errorf("dEmbedding has %d numbers, want %d: %v", len(dEmbedding), want, p.step.Project.Shape)
	}
	v, err := newViews(s.backward.model, batch, backends.Train)
	if err != nil {
		return err
	}
	defer v.release()
	copy(s.dEmbedding.data, dEmbedding)
	in := []ort.Value{v.value, s.dEmbedding.value}
	for _, n := range s.backward.model.tensors {
		if t, ok := s.moved[n]; ok && s.batches > 0 {
			in = append(in, t.value)
		} else {
			in = append(in, p.state.current(n).value)
		}
	}
	if err := s.backward.call(ctx, in, values(s.results)); err != nil {
		return err
	}
	s.batches++
	for i, sum := range s.gradients {
		for j, v := range s.results[i].data {
			sum.data[j] += v
		}
	}
	for i, u := range s.division.Moved {
		copy(s.moved[u.Target].data, s.results[len(s.gradients)+i].data)
	}
	return nil
}

func values(tensors []*tensor) []ort.Value {
	out := make([]ort.Value, len(tensors))
	for i, t := range tensors {
		out[i] = t.value
	}
	return out
}

// added returns the sums, or why there are none.
func (p *program) added() (*sums, error) {
	switch {
	case p.closed:
		return nil, errClosed
	case p.sums == nil || p.sums.batches == 0:
		return nil, backends.ErrNoGradients
	}
	return p.sums, nil
}

func (p *program) Gradients() (backends.Weights, error) {
	s, err := p.added()
	if err != nil {
		return nil, fmt.Errorf("gradients: %w", err)
	}
	var w backends.Weights
	for i, g := range s.division.Gradients {
		data := slices.Clone(s.gradients[i].data)
		w = append(w, backends.Tensor{Name: g.Param.Name, Shape: slices.Clone(g.Param.Shape), Data: data})
	}
	return w, nil
}

func (p *program) SetGradients(w backends.Weights) error {
	s, err := p.added()
	if err != nil {
		return fmt.Errorf("set gradients: %w", err)
	}
	data, err := backends.MatchGradients(s.division, w)
	if err != nil {
		return fmt.Errorf("set gradients: %w", err)
	}
	for i, t := range s.gradients {
		copy(t.data, data[i])
	}
	return nil
}

func (p *program) Update(lr float32) error {
	s, err := p.added()
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	in, m := values(s.gradients), s.update.model
	if m.rate != nil {
		p.rate.data[0] = lr
		in = append(in, p.rate.value)
	}
	for _, n := range m.tensors {
		in = append(in, p.state.current(n).value)
	}
	var out []ort.Value
	for _, u := range s.division.Applied {
		out = append(out, p.state.next(u.Target).value)
	}
	if err := s.update.call(context.Background(), in, out); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	for n, t := range s.moved {
		copy(p.state.next(n).data, t.data)
	}
	p.state.advance()
	s.clear()
	return nil
}
