package backendtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// stepLabels are those of the two pairs on which a case of one operation runs.
var stepLabels = []int32{2, 0}

func labels() []operation {
	all := []operation{
		{graph.OpLabelAccuracy, "of equals the first", func(b *builder) []*graph.Node {
			logits := []float64{1, 3, 3, 1, 3, 4, 5, 5, 0, 5, 5, 6} // labels 2, 2, 0, 0: wrong, right, right, wrong
			return one(b.LabelAccuracy(b.value(func() float64 { v := logits[0]; logits = logits[1:]; return v }, 4, 3), b.Labels(4, 3)))
		}},
	}
	for _, c := range []struct {
		classes         int
		mean, deviation float64
	}{{3, 0, 1}, {10, 0, 5}, {1000, 0, 1}, {5, 200, 1}, {5, -200, 30}, {3, 0, 0}} {
		name := fmt.Sprintf("%d classes, logits around %g by %g", c.classes, c.mean, c.deviation)
		logits := func(b *builder) (logits, labels *graph.Node) {
			b.slack = 1 + c.deviation + max(c.mean, -c.mean)/5 // of a large logit few digits remain behind the point
			return b.shifted(c.mean, c.deviation, 4, c.classes), b.Labels(4, c.classes)
		}
		all = append(all,
			operation{graph.OpCrossEntropy, name, func(b *builder) []*graph.Node { return one(b.CrossEntropy(logits(b))) }},
			operation{graph.OpCrossEntropyGrad, name, func(b *builder) []*graph.Node { return one(b.CrossEntropyGrad(logits(b))) }},
			operation{graph.OpLabelAccuracy, name, func(b *builder) []*graph.Node { return one(b.LabelAccuracy(logits(b))) }},
			operation{graph.OpLabels, name, func(b *builder) []*graph.Node { // which nothing but these may read
				x, y := logits(b)
				return []*graph.Node{b.CrossEntropy(x, y), b.LabelAccuracy(x, y)}
			}})
	}
	return all
}

// labelledClasses is the number of classes of classBatch.
const labelledClasses = 3

// newClassifier returns the network with a classifier in place of the projection head, for batches of 2*batchSize views. Its
// features are the logits.
func newClassifier(seed uint64) (*graph.Step, backends.Weights) {
	n := &network{builder: newBuilder(seed), named: map[string]*graph.Node{}}
	mean, std := [3]float64{0.5, 0.5, 0.5}, [3]float64{0.25, 0.25, 0.25}
	classify := func(rows int) *graph.Node {
		x := n.encode(n.Image("views", rows, height, width, mean, std))
		x = n.MatMul(x, n.parameter("fc.weight", labelledClasses, x.Shape[1]), false, true)
		return n.AddBias(x, n.parameter("fc.bias", labelledClasses))
	}
	s := &graph.Step{Graph: &n.Graph, Features: classify(evalRows)}
	n.training = true
	logits, labels := classify(2*batchSize), n.Labels(2*batchSize, labelledClasses)
	s.Loss, s.Accuracy = n.CrossEntropy(logits, labels), n.LabelAccuracy(logits, labels)
	lr := n.Rate()
	for i, g := range n.Grad(s.Loss, n.parameters) {
		p := n.parameters[i]
		n.updates = append(n.updates, graph.Update{Target: p, Value: n.Descend(p, g, lr)})
	}
	s.Updates = n.updates
	return s, n.weights
}

// classBatch returns 2*batchSize labelled images of one view. The classes take turns; each has a picture of its own, and its images
// differ by noise.
func classBatch(seed uint64) pixels {
	classes := pairs(1, labelledClasses, height, width)
	noise := pairs(seed, 2*batchSize, height, width)
	p := pixels{rows: 2 * batchSize, views: 1, h: height, w: width, c: 3}
	for i := range p.rows {
		class := i % labelledClasses
		for j, v := range classes.data[class*classes.size():][:p.size()] {
			p.data = append(p.data, v/4*3+noise.data[i*noise.size()+j]/4)
		}
		p.labels = append(p.labels, int32(class))
	}
	return p
}

// testLabelledTraining compares metrics, weights and logits over some steps, and goes on until the classes are told apart.
func testLabelledTraining(t *testing.T, s *suite) {
	st, w := newClassifier(1)
	got, want := program(t, s.backend, st, w), oracle(t, st, w)
	var first backends.Metrics
	for i := range 4 {
		batch := classBatch(uint64(i))
		g, m := step(t, got, batch, rate), step(t, want, batch, rate)
		tolerance := 20 * s.tolerance * float64(i+1)
		near(t, fmt.Sprintf("loss of step %d", i), []float32{g.Loss}, []float32{m.Loss}, tolerance)
		near(t, fmt.Sprintf("accuracy of step %d", i), []float32{g.Accuracy}, []float32{m.Accuracy}, tolerance)
		if g.Spread != 0 {
			t.Errorf("spread of a step that has none is %v, want 0", g.Spread)
		}
		nearWeights(t, save(t, got), save(t, want), tolerance)
		if i == 0 {
			first = g
		}
	}
	images := classBatch(9).slice(0, evalRows)
	near(t, "logits", embed(t, got, images, backends.Eval).Data, embed(t, want, images, backends.Eval).Data, 100*s.tolerance)
	var last backends.Metrics
	for range 40 {
		last = step(t, got, classBatch(1), rate)
	}
	if !(last.Loss < first.Loss/4) || last.Accuracy < 0.99 {
		t.Errorf("44 steps brought the loss from %.3f to %.3f and the accuracy to %.2f: it does not learn", first.Loss, last.Loss, last.Accuracy)
	}
}

// testWrongLabels gives the program labels that it cannot take: an error that says which, and nothing is changed. Two views a row
// with the label of the row are as good as one.
func testWrongLabels(t *testing.T, s *suite) {
	st, w := newClassifier(2)
	p := program(t, s.backend, st, w)
	right := classBatch(1)
	negative, large := slices.Clone(right.labels), slices.Clone(right.labels)
	negative[3], large[4] = -1, labelledClasses
	for _, c := range []struct {
		name, says string
		batch      pixels
	}{
		{"no label", "row 3 of the batch has label -1", right.labelled(negative...)},
		{"no such class", "row 4 of the batch has label 3", right.labelled(large...)},
		{"no column", "label", right.slice(0, right.rows)},
		{"fewer images", "batch size", right.slice(0, batchSize).labelled(right.labels[:batchSize]...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := save(t, p)
			if _, err := p.Step(t.Context(), c.batch.record(t), rate); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Step returned %v, want an error with %q", err, c.says)
			}
			same(t, "weights after the error", save(t, p), before)
		})
	}
	if _, err := p.Embed(t.Context(), right.record(t), backends.Train); err == nil {
		t.Error("Embed in mode Train returned vectors of a step without projections")
	}

	twice := right
	twice.rows, twice.views, twice.labels = batchSize, 2, nil
	for i := range batchSize {
		twice.labels = append(twice.labels, int32(i%labelledClasses))
	}
	each := right
	each.labels = nil
	for _, label := range twice.labels {
		each.labels = append(each.labels, label, label)
	}
	other := program(t, s.backend, st, w)
	if got, want := step(t, p, twice, rate), step(t, other, each, rate); got != want {
		t.Errorf("metrics of two views a row are %v, of the views one by one %v", got, want)
	}
	same(t, "weights after a step on two views a row", save(t, p), save(t, other))
}
