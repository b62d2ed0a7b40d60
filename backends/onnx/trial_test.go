package onnx

import (
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// TestTrial opens the backend on a provider that computes one operation wrongly.
func TestTrial(t *testing.T) {
	closeTest(t, openTest(t)) // skips
	for op, wrong := range map[graph.Op]lowering{
		graph.OpReLUGrad:    func(_ *lowerer, _ *graph.Node, in []value) value { return in[1] },
		graph.OpMaxPoolGrad: func(l *lowerer, _ *graph.Node, in []value) value { return l.scale(in[0], 0.3) },
		graph.OpDescend:     func(l *lowerer, _ *graph.Node, in []value) value { return l.scale(in[0], float64(never)*1e30) },
	} {
		right := portable[op]
		portable[op] = wrong
		b, err := backends.Open(t.Context(), "onnx", backends.Options{Provider: "CPU"})
		portable[op] = right
		if err == nil {
			closeTest(t, b)
		}
		wantError(t, err, "CPU computes wrong gradients", "parameter")
		if environment.holders != 0 || heap.AllocatedBytes() != 0 {
			t.Errorf("%d holders and %d bytes are left", environment.holders, heap.AllocatedBytes())
		}
	}
	b, err := backends.Open(t.Context(), "onnx", backends.Options{Provider: "CPU"})
	if err != nil {
		t.Fatal(err)
	}
	closeTest(t, b)
}
