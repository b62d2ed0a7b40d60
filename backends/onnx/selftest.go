package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/pipeline"
)

// selfTested remembers that a level and library have passed, so that a process tests them once.
var selfTested sync.Map

const (
	selfTestPairs     = 2
	selfTestSize      = 12
	selfTestTolerance = 1e-3 // of the norm of each tensor
)

// selfTest takes one step of a tiny network with goclr's operators and one with those of ONNX, in a few milliseconds, and
// compares the gradients: a compiler or a library that goclr has not met may get the former wrong.
func (b *backend) selfTest(ctx context.Context) error {
	key := fmt.Sprint(b.library, b.level)
	if _, done := selfTested.Load(key); done {
		return nil
	}
	step, weights := selfTestStep()
	batch, err := selfTestBatch()
	if err != nil {
		return err
	}
	defer batch.Release()
	got, err := b.selfTestResult(ctx, step, weights, batch)
	if err != nil {
		return err
	}
	standard := &backend{library: b.library, info: b.info}
	want, err := standard.selfTestResult(ctx, step, weights, batch)
	if err != nil {
		return err
	}
	for i, t := range want {
		var difference, norm float64
		for j, v := range t.Data {
			d := float64(got[i].Data[j]) - float64(v)
			difference += d * d
			norm += float64(v) * float64(v)
		}
		if !(difference <= selfTestTolerance*selfTestTolerance*norm) {
			return fmt.Errorf("%s differs by %.1e of its norm", t.Name, math.Sqrt(difference/norm))
		}
	}
	selfTested.Store(key, true)
	return nil
}

func (b *backend) selfTestResult(ctx context.Context, s *graph.Step, w backends.Weights, batch arrow.Record) (_ backends.Weights, err error) {
	p, err := compile(ctx, s, b)
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

// selfTestStep is a network with each operation that goclr has an operator for, whose step replaces the weights by their
// gradients.
func selfTestStep() (*graph.Step, backends.Weights) {
	g := &graph.Graph{}
	random := rand.New(rand.NewPCG(1, 1))
	var params []*graph.Node
	var weights backends.Weights
	param := func(mean, deviation float64, shape ...int) *graph.Node {
		n := g.Param(fmt.Sprintf("weight %d", len(params)), shape...)
		data := make([]float32, n.Size())
		for i := range data {
			data[i] = float32(mean + deviation*random.NormFloat64())
		}
		params = append(params, n)
		weights = append(weights, backends.Tensor{Name: n.Name, Shape: shape, Data: data})
		return n
	}
	layer := func(x *graph.Node, out, k, stride int, add *graph.Node, relu bool) *graph.Node {
		in := x.Shape[1]
		y := g.Conv(x, param(0, math.Sqrt(2/float64(in*k*k)), out, in, k, k), stride, k/2)
		return g.Normalize(y, g.Moments(y), param(1, 0.2, out), param(0, 0.2, out), add, relu, 1e-5)
	}
	x := g.Image("views", 2*selfTestPairs, selfTestSize, selfTestSize, [3]float64{0.5, 0.5, 0.5}, [3]float64{0.25, 0.25, 0.25})
	x = g.MaxPool(layer(x, 24, 3, 1, nil, true), 3, 2, 1)
	x = layer(layer(x, 32, 3, 1, nil, true), 24, 3, 1, x, true)
	x = layer(layer(x, 40, 3, 2, nil, true), 40, 1, 1, layer(x, 40, 1, 2, nil, false), true)
	z := g.L2Normalize(g.AvgPool(x))
	s := &graph.Step{Graph: g, Loss: g.NTXent(z, 0.5), Accuracy: g.PairAccuracy(z), Spread: g.Spread(z), Project: z}
	for i, gradient := range g.Grad(s.Loss, params) {
		s.Updates = append(s.Updates, graph.Update{Target: params[i], Value: gradient})
	}
	return s, weights
}

func selfTestBatch() (arrow.Record, error) {
	views, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Uint8, []int{2, selfTestSize, selfTestSize, 3}, nil)
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "views", Type: views}}, nil))
	defer b.Release()
	list := b.Field(0).(*array.ExtensionBuilder).StorageBuilder().(*array.FixedSizeListBuilder)
	random := rand.New(rand.NewPCG(1, 2))
	for range selfTestPairs {
		list.Append(true)
		for range 2 * selfTestSize * selfTestSize * 3 {
			list.ValueBuilder().(*array.Uint8Builder).Append(uint8(random.IntN(256)))
		}
	}
	return b.NewRecord(), nil
}
