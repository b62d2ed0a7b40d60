package simclr

import (
	"math"
	"math/rand/v2"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/pipeline"
)

// An initializer gives a tensor its first values.
type initializer func(r *rand.Rand, data []float32)

func fill(v float32) initializer {
	return func(_ *rand.Rand, data []float32) {
		for i := range data {
			data[i] = v
		}
	}
}

var zeros, ones = fill(0), fill(1)

// normal draws from a normal distribution of mean 0.
func normal(std float64) initializer {
	return func(r *rand.Rand, data []float32) {
		for i := range data {
			data[i] = float32(r.NormFloat64() * std)
		}
	}
}

// kaiming keeps the variance of gradients through a ReLU (He et al. 2015), as torchvision initialises its convolutions.
func kaiming(fanOut int) initializer { return normal(math.Sqrt(2 / float64(fanOut))) }

// initial returns the first values of all tensors: a function of the seed and of each tensor's name alone, so that a change
// of the head leaves the encoder's as they were.
func (b *builder) initial(seed uint64) backends.Weights {
	w := make(backends.Weights, len(b.params))
	for i, p := range b.params {
		data := make([]float32, p.node.Size())
		p.init(pipeline.Key{Seed: seed, Stage: "init " + p.node.Name}.Rand(), data)
		w[i] = backends.Tensor{Name: p.node.Name, Shape: p.node.Shape, Data: data}
	}
	return w
}
