//go:build linux

package cuda

import (
	"errors"
	"fmt"
	"slices"
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
					s.lend(kernel, call)
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

// TestConvolutionsWithoutCuDNN compares kernels of our own, where cuDNN lists no algorithm, none that repeats, none that computes.
func TestConvolutionsWithoutCuDNN(t *testing.T) {
	for _, c := range []struct {
		set   string
		value int
		says  string
	}{
		{"cudnn_none", 1, "cudnnGetConvolutionForwardAlgorithm_v7: "}, {"cudnn_any_order", 1, "the same bits each time"},
		{"cudnn_status", 3001, "cudnnConvolutionForward: "}, {"cudnn_status", 5000, "cudnnConvolutionForward: "},
	} {
		for _, p := range []precision{fp32, bf16} {
			t.Run(fmt.Sprintf("%s %d %s", c.set, c.value, precisionNames[p]), func(t *testing.T) {
				v, g, l := standInConvolutions(t, p)
				l.Set("cudnn_workspace", 0)
				l.Set(c.set, c.value)
				var warned []string
				v.warn = func(message string) { warned = append(warned, message) }
				compareOwn(t, v, newSum(t, g, p))
				if len(warned) != 1 || !strings.Contains(warned[0], "Forward of a convolution of [2 3 7 6]") || !strings.Contains(warned[0], c.says) {
					t.Errorf("warned of %q", warned)
				}
				log := strings.Join(l.Log(), "\n")
				if computed := strings.Count(log, "cudnnConvolution"); (computed > 0) != (c.set == "cudnn_status") {
					t.Errorf("cuDNN was asked %d times", computed)
				}
				if strings.Contains(log, "launch convolve_filter_total ") != (c.set != "cudnn_status") {
					t.Error("sums are divided where there is memory for their parts, and not elsewhere")
				}
			})
		}
	}
}

// compareOwn has convolutions of many shapes, some of more than a tile and of sums in parts, computed twice.
func compareOwn(t *testing.T, v *convolutions, s *sum) {
	t.Helper()
	tolerance := 2e-6
	if s.precision == bf16 {
		tolerance = 1.0 / 256
	}
	for _, d := range [][8]int{
		{2, 3, 7, 6, 5, 3, 1, 1}, {3, 4, 8, 5, 2, 3, 2, 1}, {2, 5, 6, 5, 7, 1, 2, 0}, {1, 3, 9, 9, 4, 7, 2, 3},
		{1, 70, 5, 4, 66, 3, 1, 1}, {5, 2, 21, 21, 3, 3, 1, 1},
	} {
		for _, c := range convolutionCases(s, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]) {
			kernel, call := v.kernels()[c.node.Op], c.call(s)
			s.lend(kernel, call)
			var first []float64
			for range 2 {
				if err := kernel.Run(call); err != nil {
					t.Fatal(err)
				}
				got := s.result(call.Out)
				near(t, fmt.Sprint(c.node, d), got, s.want(c.node), tolerance)
				if first != nil && !slices.Equal(got, first) {
					t.Errorf("%v %v: other bits the second time", c.node, d)
				}
				first = got
			}
		}
	}
}

// TestConvolutionThatFailsOnceItRan is an error: an algorithm that has computed is not given up.
func TestConvolutionThatFailsOnceItRan(t *testing.T) {
	v, g, l := standInConvolutions(t, fp32)
	s := newSum(t, g, fp32)
	c := convolutionCases(s, 1, 2, 4, 4, 3, 3, 1, 1)[0]
	kernel, call := v.kernels()[c.node.Op], c.call(s)
	s.lend(kernel, call)
	if err := kernel.Run(call); err != nil {
		t.Fatal(err)
	}
	for status, free := range map[int]int{5000: 1 << 30, 5003: loadingRoom - 1, 4004: 1 << 30} {
		l.Set("cudnn_status", status)
		l.Set("memory", l.Allocated()+free)
		err := kernel.Run(call)
		if err == nil || !strings.Contains(err.Error(), "cudnnConvolutionForward") || errors.Is(err, errOutOfMemory) != (status != 5000) {
			t.Errorf("status %d with %d bytes free: %v", status, free, err)
		}
	}
	l.Set("cudnn_status", 0)
	if err := kernel.Run(call); err != nil || strings.Contains(strings.Join(l.Log(), "\n"), "launch convolve ") {
		t.Errorf("in the end: %v", err)
	}
}

// TestConvolutionOfFewerImages computes a part of a batch with the scratch memory of the whole, and an algorithm that wants more.
func TestConvolutionOfFewerImages(t *testing.T) {
	v, g, l := standInConvolutions(t, fp32)
	var warned []string
	v.warn = func(message string) { warned = append(warned, message) }
	s := newSum(t, g, fp32)
	for _, c := range convolutionCases(s, 2, 3, 7, 6, 5, 3, 1, 1) {
		kernel, call := v.kernels()[c.node.Op], c.call(s)
		if c.node.Op == graph.OpConvGradFilter {
			continue // whose result is of the whole batch
		}
		s.lend(kernel, call)
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
		near(t, c.node.String(), part, whole[:len(part)], 1e-6)
		if len(warned) != 1 || !strings.Contains(warned[0], "of [1 ") || !strings.Contains(warned[0], "for this smaller batch its algorithms want more memory") {
			t.Errorf("warned of %q", warned)
		}
		warned, v.warned = nil, false
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
		s.lend(kernel, call)
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
		if len(p.algorithms) != 3 || p.algorithms[0] != (convolutionAlgorithm{1, cudnnFMAMath, workspaceLimit + 1, false}) || p.algorithms[2].number != 2 {
			t.Errorf("algorithms %v", p.algorithms)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestConvolutionWithoutMemory does not take another algorithm for want of memory.
func TestConvolutionWithoutMemory(t *testing.T) {
	v, g, l := standInConvolutions(t, fp32)
	s := newSum(t, g, fp32)
	run := func() error {
		c := convolutionCases(s, 1, 2, 4, 4, 3, 3, 1, 1)[0]
		call := c.call(s)
		s.lend(v.kernels()[graph.OpConv], call)
		return v.kernels()[graph.OpConv].Run(call)
	}
	l.Set("cudnn_status", 4004)
	if err := run(); !errors.Is(err, errOutOfMemory) {
		t.Errorf("a convolution without memory: %v", err)
	}
	l.Set("cudnn_status", 5001)
	l.Set("memory", l.Allocated()+loadingRoom/2)
	if err := run(); !errors.Is(err, errOutOfMemory) || !strings.Contains(err.Error(), "cudnnConvolutionForward") {
		t.Errorf("a convolution that perhaps has no memory: %v", err)
	}
}

// TestRoomForOtherAlgorithms has memory for those that want little, but not for one that wants much.
func TestRoomForOtherAlgorithms(t *testing.T) {
	p := convolutionPlan{algorithms: []convolutionAlgorithm{{workspace: 5}, {workspace: spareWorkspace + 1}, {workspace: 7}, {workspace: 6}}}
	if got := p.workspace(); got != 7 {
		t.Errorf("room for %d bytes, want 7", got)
	}
	p.algorithms = p.algorithms[1:]
	if got := p.workspace(); got != spareWorkspace+1 {
		t.Errorf("room for %d bytes, want those of the best algorithm", got)
	}
}

func TestConvolutionTooLargeForCuDNN(t *testing.T) {
	v, g, _ := standInConvolutions(t, bf16)
	err := g.do(func() error {
		_, err := v.plan(v.forward(), convolution{n: 4096, channels: 3, height: 224, width: 224, filters: 64, kernel: 7, rows: 112, cols: 112, stride: 2, pad: 3})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "[4096 64 112 112]") || !strings.Contains(err.Error(), "smaller batch, of 2674 views at most") {
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
	if _, err := newConvolutions(g, c, fp32, false); err == nil || !strings.Contains(err.Error(), "does not start") || errors.Is(err, errOutOfMemory) {
		t.Error(err)
	}
	l.Set("memory", l.Allocated()+loadingRoom-1)
	if _, err := newConvolutions(g, c, fp32, false); !errors.Is(err, errOutOfMemory) {
		t.Errorf("with hardly any memory: %v", err)
	}
}
