package reference

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// A program keeps its tensors in float64, but always rounded to float32: Save then loses nothing, and a run that is
// resumed takes the same steps as one that never stopped.
type program struct {
	step    *graph.Step
	tensors []*graph.Node
	values  map[*graph.Node][]float64 // of the tensors
	sums    *sums                     // nil if Backward has added up nothing
}

func (p *program) Step(ctx context.Context, batch arrow.Record, lr float32) (backends.Metrics, error) {
	if p.step.Loss == nil {
		return backends.Metrics{}, errors.New("this program only evaluates: compile a step with a loss to train")
	}
	outputs := p.step.Outputs()
	labels := p.step.LabelsOf(p.step.Loss)
	leaves := maps.Clone(p.values)
	for _, n := range p.step.Graph.Reach(outputs...) {
		switch n.Op {
		case graph.OpRate:
			leaves[n] = []float64{float64(lr)}
		case graph.OpImage:
			image, _, err := imageOf(n, batch, backends.Train, labels != nil)
			if err != nil {
				return backends.Metrics{}, fmt.Errorf("step: %w", err)
			}
			leaves[n] = image
		case graph.OpLabels:
			values, err := backends.Labels(n, batch)
			if err != nil {
				return backends.Metrics{}, fmt.Errorf("step: %w", err)
			}
			leaves[n] = toFloat64(values)
		}
	}
	results, err := Eval(ctx, p.step.Graph, leaves, outputs...)
	if err != nil {
		return backends.Metrics{}, fmt.Errorf("step: %w", err)
	}
	p.sums = nil
	updated := results[len(outputs)-len(p.step.Updates):]
	for i, u := range p.step.Updates {
		p.values[u.Target] = rounded(updated[i])
	}
	m := backends.Metrics{Loss: float32(results[0][0]), Accuracy: float32(results[1][0])}
	if p.step.Spread != nil {
		m.Spread = float32(results[2][0])
	}
	return m, nil
}

func rounded(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(float32(v))
	}
	return out
}

func (p *program) Embed(ctx context.Context, batch arrow.Record, m backends.Mode) (backends.Embeddings, error) {
	output := p.step.Features
	if m == backends.Train {
		output = p.step.Project
	}
	if output == nil {
		return backends.Embeddings{}, errors.New("embed: the compiled step has no Features (mode Eval) or no Project (Train)")
	}
	node, err := p.step.ImageOf(output)
	if err != nil {
		return backends.Embeddings{}, fmt.Errorf("embed: %w", err)
	}
	image, rows, err := imageOf(node, batch, m, false)
	if err != nil {
		return backends.Embeddings{}, fmt.Errorf("embed: %w", err)
	}
	leaves := maps.Clone(p.values)
	leaves[node] = image
	results, err := Eval(ctx, p.step.Graph, leaves, output)
	if err != nil {
		return backends.Embeddings{}, fmt.Errorf("embed: %w", err)
	}
	dim := output.Shape[1]
	return backends.Embeddings{Rows: rows, Dim: dim, Data: toFloat32(results[0][:rows*dim])}, nil
}

func (p *program) Load(w backends.Weights) error {
	values, err := backends.Match(p.step, w)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	p.sums = nil
	for i, n := range p.tensors {
		p.values[n] = make([]float64, n.Size())
		for j, v := range values[i] {
			p.values[n][j] = float64(v)
		}
	}
	return nil
}

func (p *program) Save() (backends.Weights, error) {
	w := make(backends.Weights, len(p.tensors))
	for i, n := range p.tensors {
		w[i] = backends.Tensor{Name: n.Name, Shape: slices.Clone(n.Shape), Data: toFloat32(p.values[n])}
	}
	return w, nil
}

func toFloat32(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}

func toFloat64[T int64 | float32](values []T) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

func (p *program) Close() error { return nil }
