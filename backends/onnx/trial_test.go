package onnx

import (
	"strings"
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

// TestWrongOwnOperatorsAreLeftOut opens the backend where goclr's operators compute something wrong: it warns, and does without them.
func TestWrongOwnOperatorsAreLeftOut(t *testing.T) {
	closeTest(t, openTest(t)) // skips
	right := inBlocks[graph.OpAvgPoolGrad]
	defer func() { inBlocks[graph.OpAvgPoolGrad] = right }()
	inBlocks[graph.OpAvgPoolGrad] = func(l *lowerer, n *graph.Node) bool {
		l.blocks[n] = l.ownOp("AvgPoolGrad", []value{l.scale(l.value(n.In[0]), 1.1)}, sizes{ints: n.Shape[1:]})
		return true
	}
	for _, told := range []bool{true, false} {
		var warnings []string
		o := backends.Options{Threads: 2}
		if told {
			o.Warn = func(message string) { warnings = append(warnings, message) }
		}
		b := openWith(t, o)
		if info := b.Info(); strings.Contains(info.Library, "goclr") {
			t.Errorf("the library is %q", info.Library)
		}
		if told && (len(warnings) != 1 || !strings.Contains(warnings[0], "goclr's operators") || !strings.Contains(warnings[0], "wrong gradients")) {
			t.Errorf("warnings are %q", warnings)
		}
		p := programOf(t, b, blockOf(2, 4, 2, 1))
		if _, err := p.Step(t.Context(), pairsOf(t, 2, 4), 0.1); err != nil {
			t.Error(err)
		}
		closeTest(t, p)
		closeTest(t, b)
	}
	if environment.holders != 0 || heap.AllocatedBytes() != 0 {
		t.Errorf("%d holders and %d bytes are left", environment.holders, heap.AllocatedBytes())
	}
}
