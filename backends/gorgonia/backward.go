package gorgonia

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// sums are the step in two tapes, and what the first has yielded so far.
type sums struct {
	division   graph.Division
	state      *state // gradients, under their parameters, and moved statistics, under their targets
	backward   *tape  // ProjectGrad given: adds gradients to the sums, and moves statistics
	update     *tape  // sums given
	dEmbedding *value
	batches    int // added up
	params     []*graph.Node
}

// newSums compiles both tapes. Most programs never need them.
func (p *program) newSums(ctx context.Context) (_ *sums, err error) {
	s := &sums{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.division, err = p.step.Divide(); err != nil {
		return nil, err
	}
	var kept []*graph.Node
	for _, g := range s.division.Gradients {
		s.params = append(s.params, g.Param)
	}
	kept = append(kept, s.params...)
	for _, u := range s.division.Moved {
		kept = append(kept, u.Target)
	}
	kept = append(kept, p.step.ProjectGrad)
	if s.state, err = newState(p.device, kept, kept[:len(kept)-1]); err != nil {
		return nil, err
	}
	s.dEmbedding = s.state.current[p.step.ProjectGrad]
	if s.backward, err = p.newBackward(s); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	given := map[*graph.Node]*value{}
	for n, v := range p.state.current {
		given[n] = v
	}
	for _, g := range s.division.Gradients {
		given[g.Value] = s.state.current[g.Param]
	}
	update := recipe{step: p.step, given: given}
	for _, u := range s.division.Applied {
		update.stores = append(update.stores, store{u.Value, p.state.next[u.Target]})
	}
	if s.update, err = p.newTape(update); err != nil {
		return nil, err
	}
	return s, p.rehearse(ctx, s.backward, s.update)
}

// newBackward compiles the gradients of a batch, each added to its sum, in a copy of the graph that has these sums.
func (p *program) newBackward(s *sums) (*tape, error) {
	added := &graph.Graph{Nodes: append([]*graph.Node{}, p.step.Graph.Nodes...)}
	given := map[*graph.Node]*value{p.step.ProjectGrad: s.dEmbedding}
	for n, v := range p.state.current {
		given[n] = v
	}
	r := recipe{step: &graph.Step{Graph: added}, given: given}
	for _, u := range s.division.Moved {
		given[u.Target] = s.state.current[u.Target]
		r.stores = append(r.stores, store{u.Value, s.state.next[u.Target]})
	}
	for _, g := range s.division.Gradients {
		sum := added.State("sum/"+g.Param.Name, g.Param.Shape...)
		given[sum] = s.state.current[g.Param]
		r.stores = append(r.stores, store{added.Add(sum, g.Value), s.state.next[g.Param]})
	}
	return p.newTape(r)
}

// clear drops what was added up.
func (s *sums) clear() {
	if s != nil {
		s.batches = 0
	}
}

func (s *sums) close() error {
	if s == nil {
		return nil
	}
	return errors.Join(s.backward.close(), s.update.close(), s.state.free())
}

func (p *program) Backward(ctx context.Context, batch arrow.Record, dEmbedding []float32) error {
	if err := p.backward(ctx, batch, dEmbedding); err != nil {
		return fmt.Errorf("backward: %w", err)
	}
	return nil
}

func (p *program) backward(ctx context.Context, batch arrow.Record, dEmbedding []float32) (err error) {
	if p.closed {
		return errClosed
	}
	if p.sums == nil {
		if p.sums, err = p.newSums(ctx); err != nil {
			p.sums = nil
			return err
		}
		p.sums.backward.run.trace = p.trace
	}
	s := p.sums
	if want := p.step.Project.Size(); len(dEmbedding) != want {
		return fmt.Errorf("dEmbedding has %d numbers, want %d: %v", len(dEmbedding), want, p.step.Project.Shape)
	}
	if _, err := p.feed(s.backward, batch, backends.Train, 0); err != nil {
		return err
	}
	if err := write(s.dEmbedding, dEmbedding); err != nil {
		return err
	}
	if s.batches == 0 {
		if err := p.begin(s); err != nil {
			return err
		}
	}
	if err := s.backward.call(ctx); err != nil {
		return err
	}
	s.state.advance()
	s.batches++
	return nil
}

// begin sets the sums to zero, and the moved statistics to those of the program.
func (p *program) begin(s *sums) error {
	for _, n := range s.params {
		if err := write(s.state.current[n], nil); err != nil {
			return err
		}
	}
	for _, u := range s.division.Moved {
		if err := p.recorder.duplicate(s.state.current[u.Target], p.state.current[u.Target]); err != nil {
			return err
		}
	}
	return nil
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
	return readAll(s.params, s.state)
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
	for i, n := range s.params {
		if err := write(s.state.current[n], data[i]); err != nil {
			return fmt.Errorf("set gradients: %w", err)
		}
	}
	return nil
}

func (p *program) Update(lr float32) error {
	if err := p.applySums(lr); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	return nil
}

func (p *program) applySums(lr float32) error {
	s, err := p.added()
	if err != nil {
		return err
	}
	if err := p.room(s.update); err != nil {
		return err
	}
	if err := p.setRate(s.update, lr); err != nil {
		return err
	}
	if err := s.update.call(context.Background()); err != nil {
		return err
	}
	for _, u := range s.division.Moved {
		if err := p.recorder.duplicate(p.state.next[u.Target], s.state.current[u.Target]); err != nil {
			return err
		}
	}
	p.state.advance()
	s.clear()
	return nil
}
