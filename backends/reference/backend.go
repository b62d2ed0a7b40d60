package reference

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/cpu"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

func init() { backends.Register("reference", open) }

// open ignores Threads, Spin, Library, StandardOperators and Warn: there is one thread, no library, and nothing to warn of.
func open(_ context.Context, o backends.Options) (backends.Backend, error) {
	if o.Device != "" && o.Device != "cpu" {
		return nil, fmt.Errorf("unknown device %q: known devices are cpu", o.Device)
	}
	if err := errors.Join(backends.OnlyFloat32(o.Precision), backends.OnlyInOrder(o.AnyOrder)); err != nil {
		return nil, err
	}
	if o.Provider != "" || len(o.ProviderOptions) > 0 || o.Profile != "" {
		return nil, errors.New("there are no execution providers and no profile of operators: leave them out, or use backend onnx")
	}
	return backend{}, nil
}

type backend struct{}

// Info names the version of Go, whose compiler decides the bits, and whether package math has fused multiply-add to use.
func (backend) Info() backends.Info {
	arch := runtime.GOARCH
	if cpu.X86.HasFMA {
		arch += "+fma"
	}
	return backends.Info{Backend: "reference", Device: "cpu", Library: runtime.Version(), CPU: arch, Threads: 1}
}

func (backend) Close() error { return nil }

func (backend) Compile(_ context.Context, s *graph.Step) (backends.Program, error) {
	p := &program{step: s, tensors: s.Tensors(), values: map[*graph.Node][]float64{}}
	for _, n := range s.Graph.Nodes {
		if _, known := kernels[n.Op]; !known && !leaf(n) {
			return nil, fmt.Errorf("compile: %v is no operation that this backend knows", n)
		}
		if n.Op == graph.OpImage && n.Name != "views" {
			return nil, fmt.Errorf("compile: %v: this backend reads images from the column views only", n)
		}
	}
	for _, n := range p.tensors {
		p.values[n] = make([]float64, n.Size())
	}
	return p, nil
}
