package cpu

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/gorgonia/internal/devicetest"
	"github.com/goclr/goclr/backends/graph"
)

// tolerance is the largest error, relative to the largest element of a result.
const tolerance = 1e-5

// TestPlainAgreesWithReference computes all cases. One, two and five threads on one and two processors must give the same bits.
func TestPlainAgreesWithReference(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for i, c := range plainCases() {
		t.Run(fmt.Sprintf("%s/%s", c.Op, c.Name), func(t *testing.T) {
			p := devicetest.NewProblem(t, uint64(i))
			for _, n := range c.Build(p) {
				if n.Op != c.Op {
					t.Fatalf("this is a case of %s", n.Op)
				}
				runtime.GOMAXPROCS(1)
				got := p.Compute(plainKernels(1)[c.Op], p.Call(n))
				want, part := p.Want(n), n.Size()
				if n.Op == graph.OpMoments || n.Op == graph.OpNormalizeGradParams {
					part = n.Shape[1] // a large mean must not hide a wrong variance
				}
				for from := 0; from < len(want); from += part {
					devicetest.Near(t, n.String(), got[from:from+part], want[from:from+part], p.Slack*tolerance)
				}
				for _, threads := range []int{2, 5} {
					runtime.GOMAXPROCS(2)
					if again := p.Compute(plainKernels(threads)[c.Op], p.Call(n)); !slices.EqualFunc(again, got, devicetest.SameBits) {
						t.Errorf("%v: %d threads compute other bits than one", n, threads)
					}
				}
				overwritten(t, p, n, got)
			}
		})
	}
}

// overwritten checks that the result may take the memory of the operand that the kernel names.
func overwritten(t *testing.T, p *devicetest.Problem, n *graph.Node, want []float32) {
	t.Helper()
	k := plainKernels(2)[n.Op]
	if k.Overwrites == 0 {
		return
	}
	c := p.Call(n)
	c.Out.Data = c.In[k.Overwrites-1].Data
	if got := p.Compute(k, c); !slices.EqualFunc(got, want, devicetest.SameBits) {
		t.Errorf("%v: overwriting operand %d changes the result", n, k.Overwrites-1)
	}
}

// TestEveryOperationHasAPlainKernel reads the operations from the source of package graph, so that a new one cannot be forgotten.
func TestEveryOperationHasAPlainKernel(t *testing.T) {
	tested := map[graph.Op]bool{graph.OpImage: true}
	for _, c := range plainCases() {
		tested[c.Op] = true
	}
	kernels := plainKernels(1)
	for _, op := range devicetest.Operations(t, "../../../graph/op.go") {
		if kernels[op].Run == nil {
			t.Errorf("operation %s has no kernel: add one to plainKernels", op)
		}
		if !tested[op] {
			t.Errorf("operation %s has no case: add one to plainCases", op)
		}
	}
	if kernels[device.OpCopy].Run == nil {
		t.Error("Copy has no kernel")
	}
}

func TestPlainImage(t *testing.T) {
	var g graph.Graph
	n := g.Image("views", 5, 7, 60, [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225})
	const area = 7 * 60
	p := devicetest.NewProblem(t, 4)
	c := imageCall(p, n)
	c.Attr, c.In[0].Scale = n.Attr, nil // the scale may be that of the node
	want := make([]float64, n.Size())
	pixels := elements[byte](c.In[0])
	for i := range 5 {
		for at := range area {
			for channel := range 3 {
				v := float64(pixels[(i*area+at)*3+channel]) / 255
				want[(i*3+channel)*area+at] = (v - n.Attr.Mean[channel]) / n.Attr.Std[channel]
			}
		}
	}
	got := p.Compute(plainKernels(1)[graph.OpImage], c)
	devicetest.Near(t, n.String(), got, want, 1e-7)
	if again := p.Compute(plainKernels(3)[graph.OpImage], imageCall(p, n)); !slices.Equal(again, got) {
		t.Error("3 threads compute other numbers than one")
	}
}

// imageCall makes a call of an Image node, for pixels that are all different bytes.
func imageCall(p *devicetest.Problem, n *graph.Node) *device.Call {
	pixels := device.Tensor{Data: p.Memory(n.Size()), Layout: device.Pixels, Shape: n.Shape, Scale: &n.Attr}
	for i := range elements[byte](pixels) {
		elements[byte](pixels)[i] = byte(i * 89)
	}
	return &device.Call{In: []device.Tensor{pixels}, Out: p.Empty(n.Shape)}
}

func TestPlainCopy(t *testing.T) {
	p := devicetest.NewProblem(t, 1)
	x := p.Operand(3, 20000)
	c := &device.Call{In: []device.Tensor{p.Tensor(x)}, Out: p.Empty(x.Shape)}
	devicetest.Near(t, "copy", p.Compute(plainKernels(2)[device.OpCopy], c), p.Values[x], 0)
}

// TestPlainNormalizeGradThroughReLU gives the gradients of a Normalize the result of the ReLU behind it, and the second the first.
func TestPlainNormalizeGradThroughReLU(t *testing.T) {
	const eps = 1e-5
	for _, shape := range [][]int{{8, 5}, {64, 300}, {3, 4, 5, 7}, {4, 6, 33, 31}} {
		p := devicetest.NewProblem(t, 3)
		x, gamma, dy := p.Shifted(1, 2, shape...), p.Operand(shape[1]), p.Operand(shape...)
		m := p.Computed(p.Moments(x))
		y := p.Computed(p.Normalize(x, m, gamma, p.Operand(shape[1]), nil, true, eps))
		masked := p.Computed(p.ReLUGrad(y, dy))
		params := p.NormalizeGradParams(x, m, masked, eps)
		input := p.NormalizeGradInput(x, m, gamma, masked, eps)

		kernels := plainKernels(2)
		c := p.Call(params)
		c.In = []device.Tensor{p.Tensor(x), p.Tensor(m), p.Tensor(dy), p.Tensor(y)}
		devicetest.Near(t, params.String(), p.Compute(kernels[graph.OpNormalizeGradParams], c), p.Want(params), tolerance)
		sums := c.Out

		for _, given := range []device.Tensor{sums, {}} {
			c = p.Call(input)
			c.In = []device.Tensor{p.Tensor(x), p.Tensor(m), p.Tensor(gamma), p.Tensor(dy), given, p.Tensor(y)}
			devicetest.Near(t, input.String(), p.Compute(kernels[graph.OpNormalizeGradInput], c), p.Want(input), tolerance)
		}
		c.In = []device.Tensor{p.Tensor(x), p.Tensor(m), p.Tensor(gamma), p.Tensor(masked), sums, {}}
		devicetest.Near(t, input.String(), p.Compute(kernels[graph.OpNormalizeGradInput], c), p.Want(input), tolerance)
	}
}

// TestPlainTakesFewerRows cuts the batch of a call: its rows must be the same bits as those of the whole batch.
func TestPlainTakesFewerRows(t *testing.T) {
	const batch, few = 9, 4
	p := devicetest.NewProblem(t, 5)
	x := p.Operand(batch, 6, 11, 10)
	moments, gamma := p.Computed(p.Moments(x)), p.Operand(6)
	flat := p.Operand(batch, 70)
	nodes := []*graph.Node{
		p.Conv(x, p.Operand(70, 6, 3, 3), 1, 1),
		p.Conv(x, p.Operand(5, 6, 3, 3), 2, 1),
		p.Conv(x, p.Operand(5, 6, 1, 1), 2, 0),
		p.Normalize(x, moments, gamma, p.Operand(6), p.Operand(x.Shape...), true, 1e-5),
		p.ReLU(x), p.MaxPool(x, 3, 2, 1), p.AvgPool(x), p.Add(x, p.Operand(x.Shape...)),
		p.MatMul(flat, p.Operand(70, 300), false, false),
		p.MatMul(flat, p.Operand(300, 70), false, true),
		p.AddBias(flat, p.Operand(70)), p.L2Normalize(flat),
	}
	for _, n := range nodes {
		check(t, p, n, p.Call(n), few)
	}
	image := p.Image("views", batch, 5, 6, [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225})
	check(t, p, image, imageCall(p, image), few)
}

// check computes a call whole and with few rows of the operands that are batches.
func check(t *testing.T, p *devicetest.Problem, n *graph.Node, c *device.Call, few int) {
	t.Helper()
	k, batch := plainKernels(2)[n.Op], n.Shape[0]
	whole := p.Compute(k, c)
	for i := range c.In {
		if shape := c.In[i].Shape; len(shape) > 1 && shape[0] == batch {
			c.In[i].Shape = append([]int{few}, shape[1:]...)
		}
	}
	c.Out = p.Empty(append([]int{few}, n.Shape[1:]...))
	part := p.Compute(k, c)
	if !slices.EqualFunc(part, whole[:len(part)], devicetest.SameBits) {
		t.Errorf("%v: %d of %d rows are not those of the whole batch", n, few, batch)
	}
}

func TestPlainRefusesUnknownLabels(t *testing.T) {
	p := devicetest.NewProblem(t, 6)
	logits, labels := p.Operand(4, 3), p.Labels(4, 3)
	for _, wrong := range []float64{-1, 3} {
		p.Values[labels] = []float64{0, 1, wrong, 2}
		for _, n := range []*graph.Node{p.CrossEntropy(logits, labels), p.CrossEntropyGrad(logits, labels), p.LabelAccuracy(logits, labels)} {
			c := p.Call(n)
			c.Scratch = p.Memory(4 * doubleBytes)
			if err := plainKernels(1)[n.Op].Run(c); err == nil {
				t.Errorf("%v took label %g of 3 classes", n, wrong)
			}
		}
	}
}

func TestCrewPassesPanicsOn(t *testing.T) {
	for _, panics := range []int{0, 7} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("the panic of task %d got lost", panics)
				}
			}()
			crew{threads: 3}.each(1<<20, 8, func(_, i int) {
				if i == panics {
					panic("here")
				}
			})
		}()
	}
}

// BenchmarkPlainConv takes the layer that a ResNet-18 for small images has most of.
func BenchmarkPlainConv(b *testing.B) {
	for _, s := range []struct{ n, in, size, out, k, stride int }{
		{16, 64, 32, 64, 3, 1}, {16, 3, 32, 64, 3, 1}, {16, 64, 32, 128, 3, 2}, {16, 512, 4, 512, 3, 1}, {16, 64, 32, 128, 1, 2},
	} {
		pad := s.k / 2
		size := (s.size+2*pad-s.k)/s.stride + 1
		x, w, y := []int{s.n, s.in, s.size, s.size}, []int{s.out, s.in, s.k, s.k}, []int{s.n, s.out, size, size}
		flop := 2 * float64(graph.Size(y)*graph.Size(w[1:]))
		for _, c := range []struct {
			op      graph.Op
			a, b, y []int
		}{
			{graph.OpConv, x, w, y}, {graph.OpConvGradInput, y, w, x}, {graph.OpConvGradFilter, x, y, w},
		} {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/%v*%v/%d/threads=%d", c.op, x, w, s.stride, threads), func(b *testing.B) {
					k := plainKernels(threads)[c.op]
					call := &device.Call{
						Attr: graph.Attr{Kernel: s.k, Stride: s.stride, Pad: pad},
						In:   []device.Tensor{ones(c.a), ones(c.b)}, Out: ones(c.y),
					}
					call.Scratch = unsafe.Pointer(unsafe.SliceData(make([]float64, k.Scratch(call)/doubleBytes+1)))
					for b.Loop() {
						if err := k.Run(call); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}

func ones(shape []int) device.Tensor {
	x := device.Tensor{Data: unsafe.Pointer(unsafe.SliceData(make([]float32, graph.Size(shape)))), Shape: shape}
	for i := range floats(x) {
		floats(x)[i] = 1
	}
	return x
}
