package gorgonia_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/reference"
)

// Allowed errors of the loss and of each gradient, in norm, relative to those of the stock network.
const (
	stockError        = 1e-9 // where both sides are float64
	stockErrorRounded = 1e-6 // where results are rounded to float32
)

// TestGradientsOfStockOperators compares the gradients that package graph derives with those that gorgonia.Grad derives.
func TestGradientsOfStockOperators(t *testing.T) {
	for _, c := range stockCases(testing.Short()) {
		t.Run(c.String(), func(t *testing.T) {
			views := c.views(t, c.batch(t))
			run := c.run(t, views)
			compareWithStock(t, c.evaluate(t, views, run.values()), run.compute(t), stockError)
		})
	}
}

// TestStepOfStockOperators compares a step of a program, which begins at the bytes of a batch.
func TestStepOfStockOperators(t *testing.T) {
	c := newStockCase("resnet18", 16, 3, 2, 0.1)
	batch := c.batch(t)
	run := c.run(t, c.views(t, batch))
	compareWithStock(t, c.stepOn(t, "reference", batch, run.values()), run.compute(t), stockErrorRounded)
}

// evaluate computes the loss and the gradients in float64, for views that are scaled already.
func (c stockCase) evaluate(t *testing.T, views []float64, params map[string][]float64) stockResult {
	t.Helper()
	s := c.step(t)
	image, err := s.ImageOf(s.Loss)
	if err != nil {
		t.Fatal(err)
	}
	leaves := map[*graph.Node][]float64{image: views}
	outputs := []*graph.Node{s.Loss}
	for _, g := range s.Gradients {
		leaves[g.Param] = params[g.Param.Name]
		outputs = append(outputs, g.Value)
	}
	results, err := reference.Eval(t.Context(), s.Graph, leaves, outputs...)
	if err != nil {
		t.Fatal(err)
	}
	got := stockResult{results[0][0], map[string][]float64{}}
	for i, g := range s.Gradients {
		got.gradients[g.Param.Name] = results[1+i]
	}
	return got
}

// stepOn takes a step on a backend, which keeps the gradients in tensors of their own.
func (c stockCase) stepOn(t *testing.T, backend string, batch arrow.Record, params map[string][]float64) stockResult {
	t.Helper()
	s := c.step(t)
	kept := map[string]*graph.Node{}
	for _, g := range s.Gradients {
		n := s.Graph.State("gradient/"+g.Param.Name, g.Param.Shape...)
		kept[g.Param.Name] = n
		s.Updates = append(s.Updates, graph.Update{Target: n, Value: g.Value})
	}
	b, err := backends.Open(t.Context(), backend, backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	p, err := b.Compile(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var w backends.Weights
	for _, n := range s.Tensors() {
		values := backends.Tensor{Name: n.Name, Shape: n.Shape, Data: make([]float32, n.Size())}
		for i, v := range params[n.Name] {
			values.Data[i] = float32(v)
		}
		w = append(w, values)
	}
	if err := p.Load(w); err != nil {
		t.Fatal(err)
	}
	m, err := p.Step(t.Context(), batch, 1)
	if err != nil {
		t.Fatal(err)
	}
	if w, err = p.Save(); err != nil {
		t.Fatal(err)
	}
	got := stockResult{float64(m.Loss), map[string][]float64{}}
	for name, n := range kept {
		saved, _ := w.Find(n.Name)
		for _, v := range saved.Data {
			got.gradients[name] = append(got.gradients[name], float64(v))
		}
	}
	return got
}

// compareWithStock fails unless got has the loss and the gradients that the stock network wants, of the same parameters.
func compareWithStock(t *testing.T, got, want stockResult, allowed float64) {
	t.Helper()
	lossOff := math.Abs(got.loss-want.loss) / want.loss
	if !(lossOff <= allowed) {
		t.Errorf("the loss is %.9g, stock operators say %.9g", got.loss, want.loss)
	}
	for name := range got.gradients {
		if _, ok := want.gradients[name]; !ok {
			t.Errorf("the step trains %s, which the stock network does not have", name)
		}
	}
	worst, worstName := 0.0, ""
	for _, name := range slices.Sorted(maps.Keys(want.gradients)) {
		g, w := got.gradients[name], want.gradients[name]
		if len(g) != len(w) {
			t.Errorf("the gradient of %s has %d numbers, that of stock operators %d", name, len(g), len(w))
			continue
		}
		difference := make([]float64, len(w))
		for i := range w {
			difference[i] = g[i] - w[i]
		}
		off := euclidean(difference) / euclidean(w)
		if !(off <= allowed) {
			t.Errorf("the gradient of %s is off by %.1e of its norm %.1e, allowed are %.0e", name, off, euclidean(w), allowed)
		}
		if off >= worst {
			worst, worstName = off, name
		}
	}
	t.Logf("the loss %.6f is off by %.1e; of %d gradients the worst, that of %s, is off by %.1e",
		got.loss, lossOff, len(want.gradients), worstName, worst)
}
