package simclr

import (
	"slices"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// featureRows is how many images a backend embeds at once in evaluation, where that changes speed and memory only.
func (m Model) featureRows() int { return max(1, min(256, 256*64*64/(m.ImageSize*m.ImageSize))) }

// TrainStep builds the step that trains the model on batches of the given number of images, two views each, together with
// the encoder for evaluation and the first values of all tensors.
func (m Model) TrainStep(batch int, o Optimizer, seed uint64) (*graph.Step, backends.Weights, error) {
	if err := m.Validate(); err != nil {
		return nil, nil, err
	}
	if err := o.Validate(); err != nil {
		return nil, nil, err
	}
	b := newBuilder()
	b.training = true
	x := b.g.Image(imagesColumn, 2*batch, m.ImageSize, m.ImageSize, m.Mean, m.Std)
	z := m.project(b, m.encode(b, x))
	s := &graph.Step{
		Graph:    b.g,
		Loss:     m.loss(b.g, z),
		Accuracy: b.g.PairAccuracy(z),
		Spread:   b.g.Spread(z),
		Project:  z,
	}
	s.Differentiate(b.trained())
	s.Updates = slices.Concat(b.updates, o.updates(b, s.Gradients))
	s.Features = m.features(b)
	return s, b.initial(seed), nil
}

// EncoderStep builds the encoder alone, for evaluation, and the first values of its tensors: those that TrainStep would give.
func (m Model) EncoderStep(seed uint64) (*graph.Step, backends.Weights, error) {
	if err := m.Validate(); err != nil {
		return nil, nil, err
	}
	b := newBuilder()
	s := &graph.Step{Graph: b.g, Features: m.features(b)}
	return s, b.initial(seed), nil
}

func (m Model) features(b *builder) *graph.Node {
	b.training = false
	x := b.g.Image(imagesColumn, m.featureRows(), m.ImageSize, m.ImageSize, m.Mean, m.Std)
	return m.encode(b, x)
}
