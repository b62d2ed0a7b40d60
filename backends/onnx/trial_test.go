package onnx

import (
	"errors"
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

// TestFallback opens the backend with an operator of goclr's that computes something else, and with one that there is not. The
// standard operators then do the work, and the user is told.
func TestFallback(t *testing.T) {
	closeTest(t, openTest(t)) // skips
	right := inBlocks[graph.OpDescend]
	defer func() { inBlocks[graph.OpDescend] = right }()
	for name, c := range map[string]struct {
		wrong func(l *lowerer, n *graph.Node) bool
		want  []string // parts of the warning
	}{
		"wrong results": {
			func(l *lowerer, n *graph.Node) bool {
				l.values[n] = l.scale(l.value(n.In[0]), 0.9)
				return true
			},
			[]string{"fail on this machine", "computes wrong gradients", "parameter 0"},
		},
		"no such operator": {
			func(l *lowerer, n *graph.Node) bool {
				l.values[n] = l.ownOp("Nonsense", l.operands(n), tensorSizes(n))
				return true
			},
			[]string{"fail on this machine", "Nonsense"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBlocks[graph.OpDescend] = c.wrong
			var warnings []string
			b := openWith(t, backends.Options{Warn: func(message string) { warnings = append(warnings, message) }})
			defer closeTest(t, b)
			if len(warnings) != 1 {
				t.Fatalf("%d warnings, want one: %q", len(warnings), warnings)
			}
			wantError(t, errors.New(warnings[0]), c.want...)
			if library := b.Info().Library; strings.Contains(library, "goclr") {
				t.Errorf("the library is %q, want no operators of goclr", library)
			}
			s := blockOf(2, 5, 3, 1)
			p := programOf(t, b, s)
			defer closeTest(t, p)
			if _, err := p.Step(t.Context(), pairsOf(t, 2, 5), 0.1); err != nil {
				t.Error(err)
			}
			closeTest(t, openTest(t)) // works without anyone to tell
		})
	}
}
