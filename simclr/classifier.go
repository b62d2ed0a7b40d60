package simclr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// classifierPrefix begins the names of the classifier's tensors, those of torchvision.
const classifierPrefix = "fc."

// ClassifierStep builds the step that trains the encoder and a linear classifier on batches of the given number of labelled
// images, one view each, and the first values of all tensors: those of TrainStep for the encoder, and zero for the classifier
// (fc.weight and fc.bias), so that it knows nothing at first, as in the reference code. Its Features are the logits [rows, classes]
// in evaluation, and the accuracy of a step is the share of images that get the right class.
func (m Model) ClassifierStep(batch, classes int, o Optimizer, seed uint64) (*graph.Step, backends.Weights, error) {
	if err := m.Validate(); err != nil {
		return nil, nil, err
	}
	if err := o.Validate(); err != nil {
		return nil, nil, err
	}
	switch {
	case classes < 2:
		return nil, nil, fmt.Errorf("a classifier of %d classes: there must be at least 2", classes)
	case batch < 2:
		return nil, nil, fmt.Errorf("a batch of %d: batch normalisation needs at least 2 images", batch)
	}
	b := newBuilder()
	b.training = true
	x := b.g.Image(imagesColumn, batch, m.ImageSize, m.ImageSize, m.Mean, m.Std)
	logits, labels := classify(b, m.encode(b, x), classes), b.g.Labels(batch, classes)
	s := &graph.Step{Graph: b.g, Loss: b.g.CrossEntropy(logits, labels), Accuracy: b.g.LabelAccuracy(logits, labels)}
	s.Differentiate(b.trained())
	s.Updates = slices.Concat(b.updates, o.updates(b, s.Gradients))
	s.Features = classify(b, m.features(b), classes)
	return s, b.initial(seed), nil
}

// classify appends the classifier to features h [N, FeatureDim] and returns its logits.
func classify(b *builder, h *graph.Node, classes int) *graph.Node {
	w := b.param(classifierPrefix+"weight", Weight, zeros, classes, h.Shape[1])
	return b.g.AddBias(b.g.MatMul(h, w, false, true), b.param(classifierPrefix+"bias", Bias, zeros, classes))
}

// underClassifier returns the weights of an encoder with the classifier of initial, in place of one that they may have.
func underClassifier(encoder, initial backends.Weights) backends.Weights {
	ofClassifier := func(t backends.Tensor) bool { return strings.HasPrefix(t.Name, classifierPrefix) }
	w := slices.DeleteFunc(slices.Clone(encoder), ofClassifier)
	for _, t := range initial {
		if ofClassifier(t) {
			w = append(w, t)
		}
	}
	return w
}
