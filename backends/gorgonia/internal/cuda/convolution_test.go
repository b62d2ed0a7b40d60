//go:build linux

package cuda

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

var precisionNames = map[precision]string{fp32: "fp32", tf32: "tf32", bf16: "bf16"}

// standInConvolutions has the kernels of a precision loaded.
func standInConvolutions(t *testing.T, p precision) (*convolutions, *gpu, *stub.Libraries) {
	t.Helper()
	g, l := standIn(t)
	standInKernels(t, g, l, p)
	c, err := newCuDNN(open(t, l, "libcudnn.so.9"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := newConvolutions(g, c, p, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.close(); err != nil {
			t.Error(err)
		}
	})
	return v, g, l
}

// A convolutionCase is a convolution or a gradient of one. The layouts of its operands and result follow from the operation.
type convolutionCase struct {
	node   *graph.Node
	images [3]bool // operand 0, operand 1, result
}

func convolutionCases(s *sum, n, c, h, w, o, k, stride, pad int) []convolutionCase {
	x, filters := s.operand(n, c, h, w), s.operand(o, c, k, k)
	y := s.Conv(x, filters, stride, pad)
	dy := s.operand(y.Shape...)
	return []convolutionCase{
		{y, [3]bool{true, false, true}},
		{s.ConvGradInput(dy, filters, x.Shape, stride, pad), [3]bool{true, false, true}},
		{s.ConvGradFilter(x, dy, k, stride, pad), [3]bool{true, true, false}},
	}
}

func (c convolutionCase) call(s *sum) *device.Call {
	layout := func(i int) device.Layout {
		if c.images[i] {
			return device.Images
		}
		return device.Plain
	}
	return &device.Call{
		Attr: c.node.Attr,
		In:   []device.Tensor{s.tensor(c.node.In[0], layout(0)), s.tensor(c.node.In[1], layout(1))},
		Out:  s.tensor(c.node, layout(2)),
	}
}

func TestConvolutionsAgreeWithReference(t *testing.T) {
	for p, name := range precisionNames {
		t.Run(name, func(t *testing.T) {
			v, g, l := standInConvolutions(t, p)
			tolerance := 1e-6
			if p == bf16 {
				tolerance = 1.0 / 256 // of rounding the result
			}
			for _, d := range [][8]int{
				{2, 3, 7, 6, 5, 3, 1, 1}, {3, 4, 8, 5, 2, 3, 2, 1}, {2, 5, 6, 5, 7, 1, 2, 0}, {1, 3, 9, 9, 4, 7, 2, 3}, {2, 8, 4, 4, 8, 1, 1, 0},
			} {
				s := newSum(t, g, p)
				for _, c := range convolutionCases(s, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]) {
					kernel, call := v.kernels()[c.node.Op], c.call(s)
					call.Scratch = s.scratch(kernel.Scratch(call))
					if err := kernel.Run(call); err != nil {
						t.Fatal(err)
					}
					near(t, fmt.Sprint(c.node, d), s.result(call.Out), s.want(c.node), tolerance)
				}
			}
			asked := map[precision]string{fp32: "type 0 format 1 math 3", tf32: "type 0 format 1 math 0", bf16: "type 9 format 1 math 1"}[p]
			for _, line := range l.Log() {
				if strings.HasPrefix(line, "cudnnConvolution") && (!strings.Contains(line, asked) || !strings.Contains(line, "algorithm 1 ")) {
					t.Errorf("asked cuDNN for %q, not %s by algorithm 1", line, asked)
				}
			}
		})
	}
}

// TestConvolutionOfFewerImages computes a part of a batch with the scratch memory of the whole, and more workspace.
func TestConvolutionOfFewerImages(t *testing.T) {
	v, g, l := standInConvolutions(t, fp32)
	s := newSum(t, g, fp32)
	for _, c := range convolutionCases(s, 2, 3, 7, 6, 5, 3, 1, 1) {
		kernel, call := v.kernels()[c.node.Op], c.call(s)
		if c.node.Op == graph.OpConvGradFilter {
			continue // whose result is of the whole batch
		}
		call.Scratch = s.scratch(kernel.Scratch(call))
		if err := kernel.Run(call); err != nil {
			t.Fatal(err)
		}
		whole := s.result(call.Out)
		fewer := func(x device.Tensor) device.Tensor {
			x.Shape = append([]int{1}, x.Shape[1:]...)
			return x
		}
		call.In[0], call.Out = fewer(call.In[0]), fewer(call.Out)
		l.Set("cudnn_workspace", 1<<20)
		if err := kernel.Run(call); err != nil {
			t.Fatal(err)
		}
		part := s.result(call.Out)
		near(t, c.node.String(), part, whole[:len(part)], 0)
		l.Set("cudnn_workspace", 1000)
	}
	plans := len(v.plans)
	for _, c := range convolutionCases(s, 2, 3, 7, 6, 5, 3, 1, 1) {
		if err := v.kernels()[c.node.Op].Prepare(c.call(s)); err != nil {
			t.Fatal(err)
		}
	}
	if len(v.plans) != plans+1 { // that of the filters' gradient
		t.Errorf("%d plans after %d", len(v.plans), plans)
	}
}

// TestAlgorithmThatCuDNNRefusesLate runs convolutions whose first algorithm turns out not to be supported.
func TestAlgorithmThatCuDNNRefusesLate(t *testing.T) {
	v, g, l := standInConvolutions(t, fp32)
	l.Set("cudnn_refused", 1)
	s := newSum(t, g, fp32)
	for _, c := range convolutionCases(s, 2, 3, 7, 6, 5, 3, 1, 1) {
		kernel, call := v.kernels()[c.node.Op], c.call(s)
		call.Scratch = s.scratch(kernel.Scratch(call))
		for range 2 {
			if err := kernel.Run(call); err != nil {
				t.Fatal(err)
			}
		}
		near(t, c.node.String(), s.result(call.Out), s.want(c.node), 1e-6)
	}
	if log := strings.Join(l.Log(), "\n"); strings.Count(log, "algorithm 1 ") != 3 || strings.Count(log, "algorithm 6 ") != 6 {
		t.Error(log)
	}
}

// TestAlgorithmsAboveTheLimit has none that does with less memory.
func TestAlgorithmsAboveTheLimit(t *testing.T) {
	v, g, l := standInConvolutions(t, fp32)
	l.Set("cudnn_workspace", workspaceLimit+1)
	if err := g.do(func() error {
		p, err := v.plan(v.forward(), convolution{n: 1, channels: 1, height: 4, width: 4, filters: 1, kernel: 1, rows: 4, cols: 4, stride: 1})
		if err != nil {
			return err
		}
		defer p.close()
		if len(p.algorithms) != 3 || p.algorithms[0] != (convolutionAlgorithm{1, cudnnFMAMath, workspaceLimit + 1}) || p.algorithms[2].number != 2 {
			t.Errorf("algorithms %v", p.algorithms)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestConvolutionErrors(t *testing.T) {
	v, g, l := standInConvolutions(t, fp32)
	s := newSum(t, g, fp32)
	run := func() error {
		c := convolutionCases(s, 1, 2, 4, 4, 3, 3, 1, 1)[0]
		call := c.call(s)
		call.Scratch = s.scratch(v.kernels()[graph.OpConv].Scratch(call))
		return v.kernels()[graph.OpConv].Run(call)
	}
	l.Set("cudnn_any_order", 1)
	if err := run(); err == nil || !strings.Contains(err.Error(), "same bits") || !strings.Contains(err.Error(), "3 by 3") {
		t.Errorf("only algorithms in any order: %v", err)
	}
	v.anyOrder = true
	if err := run(); err != nil {
		t.Error(err)
	}
	v.anyOrder = false
	l.Set("cudnn_any_order", 0)
	l.Set("cudnn_status", 5000)
	if err := run(); err == nil || !strings.Contains(err.Error(), "cudnnConvolutionForward") {
		t.Errorf("a convolution that fails: %v", err)
	}
	l.Set("cudnn_status", 4004)
	if err := run(); !errors.Is(err, errOutOfMemory) {
		t.Errorf("a convolution without memory: %v", err)
	}
	l.Set("cudnn_status", 0)
	l.Set("cudnn_workspace", 100<<20)
	l.Set("memory", 50<<20)
	err := g.do(func() error {
		_, err := v.prepared(v.forward(), convolution{n: 5, channels: 1, height: 4, width: 4, filters: 1, kernel: 1, rows: 4, cols: 4, stride: 1})
		return err
	})
	if !errors.Is(err, errOutOfMemory) || !strings.Contains(err.Error(), "500 MiB") {
		t.Errorf("no memory for the workspace: %v", err)
	}
}

func TestConvolutionTooLargeForCuDNN(t *testing.T) {
	v, g, _ := standInConvolutions(t, bf16)
	err := g.do(func() error {
		_, err := v.plan(v.forward(), convolution{n: 4096, channels: 3, height: 224, width: 224, filters: 64, kernel: 7, rows: 112, cols: 112, stride: 2, pad: 3})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "[4096 64 112 112]") || !strings.Contains(err.Error(), "smaller batch") {
		t.Error(err)
	}
}

func TestCuDNNThatDoesNotStart(t *testing.T) {
	g, l := standIn(t)
	c, err := newCuDNN(open(t, l, "libcudnn.so.9"))
	if err != nil {
		t.Fatal(err)
	}
	l.Set("cudnn_create", 1008)
	if _, err := newConvolutions(g, c, fp32, false); err == nil || !strings.Contains(err.Error(), "does not start") {
		t.Error(err)
	}
}
