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

// How far a gradient may be from that of the standard operators on the CPU, relative to its length. Goclr's own operators stay far
// below, as does a provider that rounds to eight bits; what is wrong does not.
const (
	maxOwnError      = 1e-3
	maxProviderError = 0.1
)

// trial takes a step of a tiny network as told and one with the standard operators on the CPU, some tens of milliseconds in all, and
// compares how the weights change: some providers compute wrong gradients without any error, and a compiler might.
func trial(ctx context.Context, library string, how settings, maxError float64) (err error) {
	how.profile = ""
	plain := settings{threads: how.threads, provider: provider{device: "cpu"}}
	s, w := trialStep()
	batch, err := trialBatch()
	if err != nil {
		return err
	}
	defer batch.Release()
	got, err := takeStep(ctx, s, w, batch, library, how)
	if err != nil {
		return fmt.Errorf("a first step of a tiny network on %s: %w", how.what(), err)
	}
	want, err := takeStep(ctx, s, w, batch, library, plain)
	if err != nil {
		return err
	}
	for i, t := range w {
		var wrong, length float64
		for j, before := range t.Data {
			wrong += math.Pow(float64(got[i].Data[j]-want[i].Data[j]), 2)
			length += math.Pow(float64(want[i].Data[j]-before), 2)
		}
		if e := math.Sqrt(wrong / length); !(e <= maxError) { // NaN too
			return fmt.Errorf("%s computes wrong gradients on this machine: in a tiny network that of %s is off by %.2g of its length: "+
				"use other options, another build of ONNX Runtime, or the device cpu", how.what(), t.Name, e)
		}
	}
	return nil
}

// what says what computes, for errors.
func (how settings) what() string {
	if how.own {
		return fmt.Sprintf("goclr's operators for %v", how.level)
	}
	return how.provider.String()
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

const (
	trialPairs = 4
	trialSize  = 16
)

// trialStep is a step of a network with every operation of a residual one, and weights for it. Its numbers of channels are no
// multiples of anything, so that partly filled vectors are tried too.
func trialStep() (*graph.Step, backends.Weights) {
	g := &graph.Graph{}
	random := rand.New(rand.NewPCG(1, 1))
	var params []*graph.Node
	var w backends.Weights
	param := func(mean, deviation float64, shape ...int) *graph.Node {
		n := g.Param(fmt.Sprintf("parameter %d", len(params)), shape...)
		t := backends.Tensor{Name: n.Name, Shape: shape, Data: make([]float32, n.Size())}
		for i := range t.Data {
			t.Data[i] = float32(mean + deviation*random.NormFloat64())
		}
		params, w = append(params, n), append(w, t)
		return n
	}
	layer := func(x *graph.Node, out, k, stride int, add *graph.Node, relu bool) *graph.Node {
		in := x.Shape[1]
		x = g.Conv(x, param(0, math.Sqrt(2/float64(in*k*k)), out, in, k, k), stride, k/2)
		return g.Normalize(x, g.Moments(x), param(1, 0.2, out), param(0, 0.2, out), add, relu, 1e-5)
	}
	x := g.Image("views", 2*trialPairs, trialSize, trialSize, [3]float64{0.5, 0.5, 0.5}, [3]float64{0.25, 0.25, 0.25})
	x = g.MaxPool(layer(x, 20, 3, 1, nil, true), 3, 2, 1)
	x = layer(layer(x, 36, 3, 1, nil, true), 20, 3, 1, x, true)
	x = layer(layer(x, 40, 3, 2, nil, true), 40, 1, 1, layer(x, 40, 1, 2, nil, false), true)
	z := g.L2Normalize(g.MatMul(g.AvgPool(x), param(0, 0.2, 40, 12), false, false))
	s := &graph.Step{Graph: g, Project: z, Loss: g.NTXent(z, 0.5), Accuracy: g.PairAccuracy(z), Spread: g.Spread(z)}
	for i, gradient := range g.Grad(s.Loss, params) {
		s.Updates = append(s.Updates, graph.Update{Target: params[i], Value: g.Descend(params[i], gradient, g.Rate())})
	}
	return s, w
}

// trialBatch is a batch of noise.
func trialBatch() (arrow.Record, error) {
	kind, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Uint8, []int{2, trialSize, trialSize, 3}, nil)
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "views", Type: kind}}, nil))
	defer b.Release()
	list := b.Field(0).(*array.ExtensionBuilder).StorageBuilder().(*array.FixedSizeListBuilder)
	random := rand.New(rand.NewPCG(1, 2))
	for range trialPairs {
		list.Append(true)
		for range 2 * trialSize * trialSize * 3 {
			list.ValueBuilder().(*array.Uint8Builder).Append(uint8(random.IntN(256)))
		}
	}
	return b.NewRecord(), nil
}
