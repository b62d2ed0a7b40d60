package devicetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/goclr/goclr/backends/graph"
)

// leaves have values that are given, not computed; of an Image they are computed of bytes.
var leaves = map[graph.Op]bool{graph.OpLabels: true, graph.OpParam: true, graph.OpState: true, graph.OpSlot: true, graph.OpRate: true}

// Operations reads from the source of package graph, at the given path, what a device has to compute, so that a new operation cannot be
// forgotten.
func Operations(t *testing.T, path string) []graph.Op {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []graph.Op
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
			if !leaves[graph.Op(name)] {
				all = append(all, graph.Op(name))
			}
		}
		return true
	})
	if len(all) < 30 {
		t.Errorf("found %d operations in %s: is this test still reading the right file?", len(all), path)
	}
	return all
}
