package backendtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"strconv"
	"testing"

	"github.com/goclr/goclr/backends/graph"
)

// TestEveryOperationHasACase reads the operations from the source of package graph, so that a new one cannot be
// forgotten.
func TestEveryOperationHasACase(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../graph/op.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	tested := map[graph.Op]bool{}
	for i, o := range operations() {
		tested[o.op] = true
		b := newBuilder(uint64(i))
		for _, n := range o.build(b) {
			if !reaches(&b.Graph, n, o.op) {
				t.Errorf("case %s/%s does not compute %s", o.op, o.name, o.op)
			}
		}
	}
	known := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, v := range spec.Values {
			name, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			known++
			if !tested[graph.Op(name)] {
				t.Errorf("operation %s has no case: add one to operations", name)
			}
		}
		return true
	})
	if known < 30 {
		t.Errorf("found %d operations in op.go: is this test still reading the right file?", known)
	}
}

func reaches(g *graph.Graph, n *graph.Node, op graph.Op) bool {
	for _, m := range g.Reach(n) {
		if m.Op == op {
			return true
		}
	}
	return false
}

func TestErrorInNorm(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		got, want []float32
		error     float64
	}{
		{[]float32{3, 4}, []float32{3, 4}, 0},
		{[]float32{3, 4.5}, []float32{3, 4}, 0.1},
		{[]float32{0.5}, []float32{0}, 0.5},
		{[]float32{nan}, []float32{1}, math.Inf(1)},
		{[]float32{1}, []float32{1, 2}, math.Inf(1)},
	} {
		if got := errorInNorm(c.got, c.want); got != c.error {
			t.Errorf("the error of %v against %v is %v, want %v", c.got, c.want, got, c.error)
		}
	}
}

func TestWorstErrorNamesTheLargest(t *testing.T) {
	var w worstError
	w.add("a", 0.1, 1)
	w.add("b", 0.3, 2)
	w.add("c", 0.2, 3)
	if w != (worstError{"b", 0.3, 2, 3}) {
		t.Errorf("the worst is %+v", w)
	}
}
