package gorgonia_test

import (
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

const stockSeed = 11

// A stockCase is one step in two forms: as package simclr builds it, and as the papers draw it.
type stockCase struct {
	images int // two views each
	model  simclr.Model
	net    stockResNet
}

func (c stockCase) String() string {
	return fmt.Sprintf("%s-%dpx-head%d-tau%g", c.model.Encoder, c.model.ImageSize, len(c.net.head), c.model.Temperature)
}

// newStockCase is a whole encoder, a quarter as wide as in the paper, with a head of so many layers.
func newStockCase(encoder string, size, images, layers int, temperature float64) stockCase {
	const channels, projection = 64 / 4, 16
	net := map[string]stockResNet{
		"resnet18": {blocks: []int{2, 2, 2, 2}},
		"resnet50": {blocks: []int{3, 4, 6, 3}, bottleneck: true},
	}[encoder]
	net.channels, net.imageNet = channels, size > 64
	features := channels * 8
	if net.bottleneck {
		features *= 4
	}
	for i := range layers {
		width := features
		if i == layers-1 {
			width = projection
		}
		net.head = append(net.head, width)
	}
	m := simclr.DefaultModel()
	m.Encoder, m.ImageSize, m.Width, m.Projection, m.Temperature = encoder, size, 0.25, projection, temperature
	m.Head, m.HeadLayers = "nonlinear", layers
	if layers == 0 {
		m.Head = "none"
	}
	m.Mean, m.Std = [3]float64{0.49, 0.45, 0.4}, [3]float64{0.23, 0.3, 0.26}
	return stockCase{images: images, model: m, net: net}
}

// stockCases meet both types of block, both stems, and heads of no layer to three; in short mode not all of these.
func stockCases(short bool) []stockCase {
	linear := newStockCase("resnet18", 17, 3, 1, 0.1)
	linear.model.Head = "linear"
	cases := []stockCase{
		newStockCase("resnet18", 16, 3, 2, 0.5),
		newStockCase("resnet50", 66, 2, 3, 0.1),
		newStockCase("resnet18", 16, 3, 0, 0.5),
		linear,
		newStockCase("resnet18", 65, 3, 3, 0.1),
		newStockCase("resnet50", 16, 3, 2, 0.1),
		newStockCase("resnet50", 17, 3, 0, 0.1),
		newStockCase("resnet50", 32, 2, 1, 0.5),
	}
	if short {
		return cases[:2]
	}
	return cases
}

// step returns the training step of package simclr.
func (c stockCase) step(t *testing.T) *graph.Step {
	t.Helper()
	s, _, err := c.model.TrainStep(c.images, simclr.Optimizer{Name: "sgd", LearningRate: 1}, stockSeed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run returns the same step of stock operators, for views [2B, 3, size, size].
func (c stockCase) run(t *testing.T, views []float64) *stockRun {
	t.Helper()
	s := newStockNet(stockSeed)
	x := s.input("views", views, 2*c.images, 3, c.model.ImageSize, c.model.ImageSize)
	return s.run(t, s.ntXent(c.net.build(s, x), c.model.Temperature))
}

// batch returns pairs of views of synthetic images.
func (c stockCase) batch(t *testing.T) arrow.Record {
	t.Helper()
	src, err := datasets.NewSynthetic(datasets.Synthetic{N: c.images})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.New(src, pipeline.Options{Batch: c.images, Epochs: 1, Seed: stockSeed},
		stages.Decode{}, pipeline.Pair(stages.SimCLR(c.model.ImageSize, 0.5)...))
	if err != nil {
		t.Fatal(err)
	}
	var batch arrow.Record
	for rec, err := range p.Batches(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		rec.Retain()
		t.Cleanup(rec.Release)
		batch = rec
	}
	return batch
}

// views returns the bytes of a batch as numbers: first in [0, 1], then less the mean and over the standard deviation of the channel.
func (c stockCase) views(t *testing.T, batch arrow.Record) []float64 {
	t.Helper()
	bytes, _, err := pipeline.Views(batch)
	if err != nil {
		t.Fatal(err)
	}
	area := c.model.ImageSize * c.model.ImageSize
	views := make([]float64, len(bytes))
	for i, b := range bytes {
		view, pixel, channel := i/3/area, i/3%area, i%3
		views[(view*3+channel)*area+pixel] = (float64(b)/255 - c.model.Mean[channel]) / c.model.Std[channel]
	}
	return views
}
