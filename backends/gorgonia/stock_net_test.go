package gorgonia_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A stockNet is a network of operators that Gorgonia comes with, in float64, differentiated by gorgonia.Grad. It shares no code
// with package graph, whose gradients it judges.
//
// Of v0.9.18 it leaves out GlobalAveragePool2D, which has no gradient, and AveragePool2D, whose gradient is wrong: a mean over a
// reshaped tensor does what they do. Batch normalisation is written out, so that its formula stands here.
type stockNet struct {
	g      *gorgonia.ExprGraph
	r      *rand.Rand
	params gorgonia.Nodes
}

func newStockNet(seed uint64) *stockNet {
	return &stockNet{g: gorgonia.NewGraph(), r: rand.New(rand.NewPCG(seed, 1))}
}

// must panics rather than returns, so that a layer reads as a formula: a network that cannot be built is a fault of the test.
func must(n *gorgonia.Node, err error) *gorgonia.Node {
	if err != nil {
		panic(fmt.Sprintf("stock network: %v", err))
	}
	return n
}

func (s *stockNet) input(name string, values []float64, shape ...int) *gorgonia.Node {
	return gorgonia.NewTensor(s.g, tensor.Float64, len(shape), gorgonia.WithName(name), gorgonia.WithShape(shape...),
		gorgonia.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))))
}

// param gives a parameter a random value, one under which no part of the network is without effect. It is a float32's, so that a
// program can load it as it is.
func (s *stockNet) param(name string, shape ...int) *gorgonia.Node {
	mean, std := 0.0, 0.3
	switch {
	case len(shape) > 1:
		std = math.Sqrt(2 / float64(tensor.Shape(shape[1:]).TotalSize()))
	case strings.HasSuffix(name, ".weight"):
		mean = 0.5
	}
	values := make([]float64, tensor.Shape(shape).TotalSize())
	for i := range values {
		values[i] = float64(float32(mean + std*s.r.NormFloat64()))
	}
	n := s.input(name, values, shape...)
	s.params = append(s.params, n)
	return n
}

func stockReshape(x *gorgonia.Node, shape ...int) *gorgonia.Node {
	return must(gorgonia.Reshape(x, shape))
}

// conv is a convolution of images [N, C, H, W] by k x k filters without bias, padded by half a filter.
func (s *stockNet) conv(name string, x *gorgonia.Node, channels, k, stride int) *gorgonia.Node {
	w := s.param(name+".weight", channels, x.Shape()[1], k, k)
	return must(gorgonia.Conv2d(x, w, tensor.Shape{k, k}, []int{k / 2, k / 2}, []int{stride, stride}, []int{1, 1}))
}

// norm normalises each channel of images [N, C, H, W] by its own mean and variance, then scales and shifts it.
func (s *stockNet) norm(name string, x *gorgonia.Node) *gorgonia.Node {
	d := slices.Clone(x.Shape())
	rows := stockReshape(must(gorgonia.Transpose(x, 1, 0, 2, 3)), d[1], d[0]*d[2]*d[3])
	rows = s.normRows(name, rows, true)
	return must(gorgonia.Transpose(stockReshape(rows, d[1], d[0], d[2], d[3]), 1, 0, 2, 3))
}

// normColumns does the same to each column of a matrix [N, C], and shifts it if so asked.
func (s *stockNet) normColumns(name string, x *gorgonia.Node, shift bool) *gorgonia.Node {
	return must(gorgonia.Transpose(s.normRows(name, must(gorgonia.Transpose(x, 1, 0)), shift), 1, 0))
}

func (s *stockNet) normRows(name string, x *gorgonia.Node, shift bool) *gorgonia.Node {
	const eps = 1e-5 // PyTorch's
	c := x.Shape()[0]
	column := func(v *gorgonia.Node) *gorgonia.Node { return stockReshape(v, c, 1) }
	along := []byte{1}
	centred := must(gorgonia.BroadcastSub(x, column(must(gorgonia.Mean(x, 1))), nil, along))
	variance := must(gorgonia.Mean(must(gorgonia.Square(centred)), 1))
	deviation := must(gorgonia.Sqrt(must(gorgonia.Add(variance, gorgonia.NewConstant(eps)))))
	scale := must(gorgonia.HadamardDiv(s.param(name+".weight", c), deviation))
	y := must(gorgonia.BroadcastHadamardProd(centred, column(scale), nil, along))
	if shift {
		y = must(gorgonia.BroadcastAdd(y, column(s.param(name+".bias", c)), nil, along))
	}
	return y
}

func stockReLU(x *gorgonia.Node) *gorgonia.Node { return must(gorgonia.Rectify(x)) }

// stockMaxPool is the maximum over windows of 3 by 3 around every second pixel.
func stockMaxPool(x *gorgonia.Node) *gorgonia.Node {
	return must(gorgonia.MaxPool2D(x, tensor.Shape{3, 3}, []int{1, 1}, []int{2, 2}))
}

// stockMeanPixel is the mean over the pixels of images [N, C, H, W], a matrix [N, C].
func stockMeanPixel(x *gorgonia.Node) *gorgonia.Node {
	d := slices.Clone(x.Shape())
	return stockReshape(must(gorgonia.Mean(stockReshape(x, d[0]*d[1], d[2]*d[3]), 1)), d[0], d[1])
}

// dense is a layer without bias: x [N, C] times the transposed weights [width, C].
func (s *stockNet) dense(name string, x *gorgonia.Node, width int) *gorgonia.Node {
	w := s.param(name+".weight", width, x.Shape()[1])
	return must(gorgonia.Mul(x, must(gorgonia.Transpose(w, 1, 0))))
}

// ntXent is equation 1 of the SimCLR paper (Chen et al. 2020) for projections h [2B, F] of any length, the mean over all 2B of
// them. h[2i] and h[2i+1] are those of one image.
func (s *stockNet) ntXent(h *gorgonia.Node, temperature float64) *gorgonia.Node {
	rows := h.Shape()[0]
	length := must(gorgonia.Sqrt(must(gorgonia.Sum(must(gorgonia.Square(h)), 1))))
	z := must(gorgonia.BroadcastHadamardDiv(h, stockReshape(length, rows, 1), nil, []byte{1}))
	cosine := must(gorgonia.Mul(z, must(gorgonia.Transpose(z, 1, 0))))
	similarity := must(gorgonia.HadamardDiv(cosine, gorgonia.NewConstant(temperature)))

	others, positive := make([]float64, rows*rows), make([]float64, rows*rows)
	for i := range rows {
		for k := range rows {
			if k != i {
				others[i*rows+k] = 1
			}
			if k != i && k/2 == i/2 {
				positive[i*rows+k] = 1
			}
		}
	}
	sum := func(x *gorgonia.Node, name string, mask []float64) *gorgonia.Node {
		return must(gorgonia.Sum(must(gorgonia.HadamardProd(x, s.input(name, mask, rows, rows))), 1))
	}
	denominator := sum(must(gorgonia.Exp(similarity)), "others", others)
	return must(gorgonia.Mean(must(gorgonia.Sub(must(gorgonia.Log(denominator)), sum(similarity, "positive", positive)))))
}

// A stockRun computes the loss of a network and the gradients of its parameters.
type stockRun struct {
	machine     gorgonia.VM
	loss        *gorgonia.Node
	params      gorgonia.Nodes
	derivatives gorgonia.Nodes
}

// run differentiates the loss. The machine is closed when the test ends.
func (s *stockNet) run(t *testing.T, loss *gorgonia.Node) *stockRun {
	t.Helper()
	derivatives, err := gorgonia.Grad(loss, s.params...)
	if err != nil {
		t.Fatal(err)
	}
	r := &stockRun{gorgonia.NewTapeMachine(s.g), loss, s.params, derivatives}
	t.Cleanup(func() {
		if err := r.machine.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// A stockResult is a loss with its gradients by the names of the parameters.
type stockResult struct {
	loss      float64
	gradients map[string][]float64
}

func (r *stockRun) compute(t *testing.T) stockResult {
	t.Helper()
	defer r.machine.Reset()
	if err := r.machine.RunAll(); err != nil {
		t.Fatal(err)
	}
	result := stockResult{r.loss.Value().Data().(float64), map[string][]float64{}}
	for i, p := range r.params {
		result.gradients[p.Name()] = slices.Clone(r.derivatives[i].Value().Data().([]float64))
	}
	return result
}

// values returns those of the parameters by name. The network goes by what a caller changes them to.
func (r *stockRun) values() map[string][]float64 {
	values := map[string][]float64{}
	for _, p := range r.params {
		values[p.Name()] = p.Value().Data().([]float64)
	}
	return values
}
