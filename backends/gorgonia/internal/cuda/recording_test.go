//go:build linux

package cuda

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// openStandIn opens a device of the libraries that stand for CUDA's.
func openStandIn(t *testing.T) (*Device, *stub.Libraries) {
	t.Helper()
	l := stub.Open(t)
	l.Use(t)
	d, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	closeLast(t, l, d.Close)
	return d, l
}

// TestRecordingComputesAnew records a kernel of our own, a product and a convolution, and launches them on other numbers each time.
func TestRecordingComputesAnew(t *testing.T) {
	d, l := openStandIn(t)
	s := newSum(t, d.gpu, fp32)
	images := s.operand(2, 3, 4, 4)
	conv := convolutionCase{s.Conv(images, s.operand(5, 3, 1, 1), 1, 0), [3]bool{true, false, true}}
	a, b := s.operand(3, 4), s.operand(4, 5)
	product, sum := s.MatMul(a, b, false, false), s.Add(a, s.operand(3, 4))
	calls := map[graph.Op]*device.Call{graph.OpConv: conv.call(s)}
	for _, n := range []*graph.Node{product, sum} {
		calls[n.Op] = &device.Call{
			Attr: n.Attr, In: []device.Tensor{s.tensor(n.In[0], device.Plain), s.tensor(n.In[1], device.Plain)}, Out: s.tensor(n, device.Plain),
		}
	}
	k, _ := d.Kernel(graph.OpConv)
	s.lend(k, calls[graph.OpConv])
	run := func() error {
		var errs []error
		for op, c := range calls {
			k, _ := d.Kernel(op)
			errs = append(errs, k.Run(c))
		}
		return errors.Join(errs...)
	}
	results := func() (all []byte) {
		t.Helper()
		for _, op := range []graph.Op{graph.OpConv, graph.OpMatMul, graph.OpAdd} {
			out := calls[op].Out
			b := make([]byte, 4*graph.Size(out.Shape))
			if err := d.Download(b, out.Data); err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		return all
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	first := results()
	started := len(l.Log())
	r, err := d.Record(run)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Error(err)
		}
	}()
	if !bytes.Equal(results(), first) {
		t.Error("recording has computed")
	}
	for i := range 3 {
		for _, c := range calls {
			for _, in := range c.In {
				numbers := make([]float32, graph.Size(in.Shape))
				for j := range numbers {
					numbers[j] = float32(j%7+i) - 3
				}
				if err := d.Upload(in.Data, asBytes(numbers)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := r.Launch(); err != nil {
			t.Fatal(err)
		}
		got := results()
		if err := run(); err != nil {
			t.Fatal(err)
		}
		if want := results(); !bytes.Equal(got, want) || bytes.Equal(got, first) {
			t.Errorf("launch %d computes other numbers than the kernels", i)
		}
	}
	log := l.Log()[started:]
	// Kernels: a convolution with the arrangement of its filters, a product, a sum.
	if !slices.Contains(log, "cuStreamBeginCapture 2") || !slices.Contains(log, "cuStreamEndCapture 4") {
		t.Errorf("recorded as %v", log)
	}
}

// TestRecordingBesideCopies copies and allocates from other goroutines while a recording is made.
func TestRecordingBesideCopies(t *testing.T) {
	d, _ := openStandIn(t)
	at := allocated(t, d.gpu, 1<<10)
	source, back := bytes.Repeat([]byte{7}, 1<<10), make([]byte, 1<<10)
	r, err := d.Record(func() error {
		var group sync.WaitGroup
		var errs [2]error
		group.Add(2)
		go func() {
			defer group.Done()
			errs[0] = errors.Join(d.Upload(at, source), d.Download(back, at))
		}()
		go func() {
			defer group.Done()
			m, err := d.Allocate(1 << 20)
			if errs[1] = err; err == nil {
				errs[1] = m.Free()
			}
		}()
		group.Wait()
		return errors.Join(errs[:]...)
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back, source) {
		t.Error("other bytes came back")
	}
	if err := errors.Join(r.Launch(), r.Close()); err != nil {
		t.Error(err)
	}
}

func TestRecordingErrors(t *testing.T) {
	d, l := openStandIn(t)
	at := allocated(t, d.gpu, 1<<10)
	a := filterArguments{at, at, 1, 1, 1}
	launch := func() error { return d.gpu.launch("arrange_filter", 1, 1, unsafe.Pointer(&a)) }
	if err := launch(); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("f does not work")
	for _, c := range []struct {
		name string
		set  string
		code int
		f    func() error
		says string
	}{
		{"f", "", 0, func() error { return errors.Join(launch(), broken) }, "f does not work"},
		{"begin", "capture_begin", 801, launch, "cuStreamBeginCapture: error 801"},
		{"end", "capture_end", 901, launch, "cuStreamEndCapture: CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"},
		{"instantiate", "graph_make", 2, launch, "cuGraphInstantiate: CUDA_ERROR_OUT_OF_MEMORY"},
		{"upload", "graph_upload", 2, launch, "cuGraphUpload: CUDA_ERROR_OUT_OF_MEMORY"},
		{"kernel", "capture_refuse", 1, launch, "kernel arrange_filter with 1 by 1 blocks: cuLaunchKernel: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
		{"a kernel whose error is lost", "capture_refuse", 1, func() error { _ = launch(); return nil }, "cuStreamEndCapture: CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"},
	} {
		held := l.Held()
		l.Set(c.set, c.code)
		r, err := d.Record(c.f)
		l.Set(c.set, map[bool]int{true: -1}[c.set == "capture_refuse"])
		if r != nil || err == nil || !strings.Contains(err.Error(), "recording a CUDA graph: ") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: the error is %v", c.name, err)
		}
		if n := l.Held(); n != held {
			t.Errorf("%s: %d things were not given back", c.name, n-held)
		}
		before := len(l.Log())
		if err := launch(); err != nil || d.gpu.kernels != d.gpu.stream {
			t.Errorf("%s: the next kernel: %v", c.name, err)
		}
		if log := l.Log()[before:]; len(log) != 1 {
			t.Errorf("%s: the next kernel does %v", c.name, log)
		}
	}
	r, err := d.Record(launch)
	if err != nil {
		t.Fatal(err)
	}
	l.Set("graph_start", 701)
	if err := r.Launch(); err == nil || !strings.Contains(err.Error(), "cuGraphLaunch: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES") {
		t.Errorf("a launch that fails: %v", err)
	}
	l.Set("graph_start", 0)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestCaptureOfTheStandIn shows that what may not be done while a stream is captured is noticed.
func TestCaptureOfTheStandIn(t *testing.T) {
	g, _ := standIn(t)
	at := allocated(t, g, 64)
	const unsupported = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
	var stream, event uintptr
	if err := g.do(func() error {
		return errors.Join(g.newStream(&stream), g.check("cuEventCreate", g.cuEventCreate.call(uintptr(unsafe.Pointer(&event)), eventWithoutTiming)))
	}); err != nil {
		t.Fatal(err)
	}
	allocate := func() error {
		m, err := g.allocate(64)
		if err == nil {
			err = m.Free()
		}
		return err
	}
	record := func() error { return g.check("cuEventRecord", g.cuEventRecord.call(event, stream)) }
	for _, c := range []struct {
		name string
		mode uintptr
		f    func() error
		says string // "": that is allowed
		ends string
	}{
		{"nothing", 0, func() error { return nil }, "", ""},
		{"allocating", 0, allocate, unsupported, "INVALIDATED"},
		{"allocating in the thread", 1, allocate, unsupported, "INVALIDATED"},
		{"allocating where all is allowed", captureRelaxed, allocate, "", ""},
		{"waiting", captureRelaxed, func() error { return g.check("cuStreamSynchronize", g.cuStreamSynchronize.call(stream)) }, unsupported, "INVALIDATED"},
		{"waiting for another stream", captureRelaxed, g.wait, "", ""},
		{"copying to memory that is not pinned", captureRelaxed, func() error {
			to := make([]byte, 64)
			return g.check("cuMemcpyDtoHAsync", g.cuMemcpyDtoHAsync.call(uintptr(unsafe.Pointer(&to[0])), uintptr(at), 64, stream))
		}, unsupported, "INVALIDATED"},
		{"beginning again", captureRelaxed, func() error {
			return g.check("cuStreamBeginCapture", g.cuStreamBeginCapture.call(stream, captureRelaxed))
		}, "CUDA_ERROR_ILLEGAL_STATE", ""},
		{"an event that is asked for", captureRelaxed, func() error {
			return errors.Join(record(), g.check("cuEventQuery", g.cuEventQuery.call(event)))
		}, "CUDA_ERROR_CAPTURED_EVENT", ""},
	} {
		if err := g.do(func() error {
			if err := g.check("cuStreamBeginCapture", g.cuStreamBeginCapture.call(stream, c.mode)); err != nil {
				return err
			}
			if err := c.f(); (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", c.name, err)
			}
			var captured uintptr
			err := g.check("cuStreamEndCapture", g.cuStreamEndCapture.call(stream, uintptr(unsafe.Pointer(&captured))))
			if (err != nil) != (c.ends != "") || err != nil && !strings.Contains(err.Error(), c.ends) {
				t.Errorf("%s: the capture ends with %v", c.name, err)
			}
			if captured == 0 {
				return nil
			}
			return g.check("cuGraphDestroy", g.cuGraphDestroy.call(captured))
		}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := g.do(func() error {
		var captured uintptr
		err := g.check("cuStreamEndCapture", g.cuStreamEndCapture.call(stream, uintptr(unsafe.Pointer(&captured))))
		if err == nil || !strings.Contains(err.Error(), "CUDA_ERROR_ILLEGAL_STATE") {
			t.Errorf("ending what was not begun: %v", err)
		}
		return errors.Join(g.check("cuEventDestroy", g.cuEventDestroy.call(event)), g.check("cuStreamDestroy", g.cuStreamDestroy.call(stream)))
	}); err != nil {
		t.Error(err)
	}
}
