package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// maxTrialError is how far a gradient may be from that of the CPU, relative to its length. Rounding to eight bits stays well below,
// what is wrong does not.
const maxTrialError = 0.1

// trial takes a step of a tiny network on the provider and one on the CPU, and compares how the weights change: some providers
// compute wrong gradients without any error.
func trial(ctx context.Context, library string, how settings) (err error) {
	how.profile = ""
	alone := how
	alone.provider = provider{device: "cpu"}
	s, w, batch, err := trialStep()
	if err != nil {
		return err
	}
	defer batch.Release()
	got, err := takeStep(ctx, s, w, batch, library, how)
	if err != nil {
		return fmt.Errorf("a first step of a tiny network on %s: %w", how.provider, err)
	}
	want, err := takeStep(ctx, s, w, batch, library, alone)
	if err != nil {
		return err
	}
	for i, t := range w {
		var wrong, length float64
		for j, before := range t.Data {
			wrong += math.Pow(float64(got[i].Data[j]-want[i].Data[j]), 2)
			length += math.Pow(float64(want[i].Data[j]-before), 2)
		}
		if e := math.Sqrt(wrong / length); !(e <= maxTrialError) { // NaN too
			return fmt.Errorf("%s computes wrong gradients on this machine: in a tiny network that of %s is off by %.2g of its length: "+
				"use other options, another build of ONNX Runtime, or the device cpu", how.provider, t.Name, e)
		}
	}
	return nil
}

// takeStep returns the weights after one step.
func takeStep(ctx context.Context, s *graph.Step, w backends.Weights, batch arrow.Record, library string, how settings) (_ backends.Weights, err error) {
	p, err := compile(ctx, s, library, how)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.Load(w); err != nil {
		return nil, err
	}
	if _, err := p.Step(ctx, batch, 1); err != nil {
		return nil, err
	}
	return p.Save()
}

// trialStep is a step of 4 pairs with every operation of a residual network, and weights and views for it.
func trialStep() (*graph.Step, backends.Weights, arrow.Record, error) {
	const pairs, size, channels = 4, 16, 8
	g := &graph.Graph{}
	var params []*graph.Node
	param := func(shape ...int) *graph.Node {
		params = append(params, g.Param(fmt.Sprintf("parameter %d", len(params)), shape...))
		return params[len(params)-1]
	}
	block := func(x, add *graph.Node, stride int) *graph.Node {
		x = g.Conv(x, param(channels, x.Shape[1], 3, 3), stride, 1)
		return g.Normalize(x, g.Moments(x), param(channels), param(channels), add, true, 1e-5)
	}
	x := block(g.Image("views", 2*pairs, size, size, [3]float64{0.5, 0.5, 0.5}, [3]float64{0.25, 0.25, 0.25}), nil, 1)
	x = block(g.MaxPool(x, 3, 2, 1), nil, 2)
	x = block(x, x, 1)
	z := g.L2Normalize(g.MatMul(g.AvgPool(x), param(channels, channels), false, false))
	s := &graph.Step{Graph: g, Project: z, Loss: g.NTXent(z, 0.5), Accuracy: g.PairAccuracy(z), Spread: g.Spread(z)}
	for i, grad := range g.Grad(s.Loss, params) {
		s.Updates = append(s.Updates, graph.Update{Target: params[i], Value: g.Descend(params[i], grad, g.Rate())})
	}

	random := rand.New(rand.NewPCG(1, 1))
	var w backends.Weights
	for _, n := range s.Tensors() {
		t := backends.Tensor{Name: n.Name, Shape: n.Shape, Data: make([]float32, n.Size())}
		for i := range t.Data {
			t.Data[i] = float32(random.NormFloat64())
		}
		w = append(w, t)
	}
	kind, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Uint8, []int{2, size, size, 3}, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "views", Type: kind}}, nil))
	defer b.Release()
	list := b.Field(0).(*array.ExtensionBuilder).StorageBuilder().(*array.FixedSizeListBuilder)
	for range pairs {
		list.Append(true)
		for range 2 * size * size * 3 {
			list.ValueBuilder().(*array.Uint8Builder).Append(uint8(random.IntN(256)))
		}
	}
	return s, w, b.NewRecord(), nil
}
