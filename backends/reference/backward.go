package reference

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// sums are what Backward has added up, rounded to float32 as all tensors are.
type sums struct {
	division  graph.Division
	gradients [][]float64               // in the order of the division
	moved     map[*graph.Node][]float64 // running statistics as of the next Update
}

func (p *program) Backward(ctx context.Context, batch arrow.Record, dEmbedding []float32) error {
	next, err := p.backward(ctx, batch, dEmbedding)
	if err != nil {
		return fmt.Errorf("backward: %w", err)
	}
	p.sums = next
	return nil
}

// backward returns the sums with those of one more batch.
func (p *program) backward(ctx context.Context, batch arrow.Record, dEmbedding []float32) (*sums, error) {
	before := p.sums
	if before == nil {
		d, err := p.step.Divide()
		if err != nil {
			return nil, err
		}
		before = &sums{division: d}
		for _, g := range d.Gradients {
			before.gradients = append(before.gradients, make([]float64, g.Param.Size()))
		}
	}
	d := before.division
	if want := p.step.Project.Size(); len(dEmbedding) != want {
		return nil, fmt.Errorf("dEmbedding has %d numbers, want %d: %v", len(dEmbedding), want, p.step.Project.Shape)
	}
	node, err := p.step.ImageOf(p.step.Project)
	if err != nil {
		return nil, err
	}
	image, _, err := imageOf(node, batch, backends.Train, false)
	if err != nil {
		return nil, err
	}
	leaves := maps.Clone(p.values)
	maps.Copy(leaves, before.moved)
	leaves[node] = image
	leaves[p.step.ProjectGrad] = toFloat64(dEmbedding)
	var outputs []*graph.Node
	for _, g := range d.Gradients {
		outputs = append(outputs, g.Value)
	}
	for _, u := range d.Moved {
		outputs = append(outputs, u.Value)
	}
	results, err := Eval(ctx, p.step.Graph, leaves, outputs...)
	if err != nil {
		return nil, err
	}
	next := &sums{division: d, moved: map[*graph.Node][]float64{}}
	for i, sum := range before.gradients {
		total := make([]float64, len(sum))
		for j := range total {
			total[j] = sum[j] + results[i][j]
		}
		next.gradients = append(next.gradients, rounded(total))
	}
	for i, u := range d.Moved {
		next.moved[u.Target] = rounded(results[len(d.Gradients)+i])
	}
	return next, nil
}

func (p *program) Gradients() (backends.Weights, error) {
	if p.sums == nil {
		return nil, fmt.Errorf("gradients: %w", backends.ErrNoGradients)
	}
	var w backends.Weights
	for i, g := range p.sums.division.Gradients {
		w = append(w, backends.Tensor{Name: g.Param.Name, Shape: slices.Clone(g.Param.Shape), Data: toFloat32(p.sums.gradients[i])})
	}
	return w, nil
}

func (p *program) SetGradients(w backends.Weights) error {
	if p.sums == nil {
		return fmt.Errorf("set gradients: %w", backends.ErrNoGradients)
	}
	values, err := backends.MatchGradients(p.sums.division, w)
	if err != nil {
		return fmt.Errorf("set gradients: %w", err)
	}
	for i, v := range values {
		p.sums.gradients[i] = toFloat64(v)
	}
	return nil
}

func (p *program) Update(lr float32) error {
	if p.sums == nil {
		return fmt.Errorf("update: %w", backends.ErrNoGradients)
	}
	d := p.sums.division
	leaves := maps.Clone(p.values)
	for i, g := range d.Gradients {
		leaves[g.Value] = p.sums.gradients[i]
	}
	var outputs []*graph.Node
	for _, u := range d.Applied {
		outputs = append(outputs, u.Value)
	}
	for _, n := range p.step.Graph.Nodes {
		if n.Op == graph.OpRate {
			leaves[n] = []float64{float64(lr)}
		}
	}
	results, err := Eval(context.Background(), p.step.Graph, leaves, outputs...)
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	for i, u := range d.Applied {
		p.values[u.Target] = rounded(results[i])
	}
	maps.Copy(p.values, p.sums.moved)
	p.sums = nil
	return nil
}
