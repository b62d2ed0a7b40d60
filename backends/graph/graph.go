package graph

import (
	"fmt"
	"slices"
)

// A Graph is a list of nodes in an order in which they can be computed.
type Graph struct {
	Nodes []*Node
}

// A Node is one operation and the single tensor it yields.
type Node struct {
	ID    int // index in Graph.Nodes
	Op    Op
	Name  string  // of an Input, Param, State or Slot; empty otherwise
	In    []*Node // operands; nil where an optional one is left out
	Shape []int   // of the result; empty for a scalar
	Attr  Attr
}

// Attr holds what an operation needs besides tensors. Each operation reads only the fields that its constructor sets.
type Attr struct {
	Stride, Pad, Kernel int        // Conv, MaxPool and their gradients
	TransA, TransB      bool       // MatMul
	ReLU                bool       // Normalize
	Eps                 float64    // Normalize and its gradients, L2Normalize, AdamDescend
	Index               int        // Row
	Factor              float64    // Scale, Lerp, Velocity and LARSVelocity (momentum), AdamMean and AdamSquare (beta)
	Decay               float64    // Velocity, LARSVelocity, AdamMean, AdamSquare: weight decay
	Trust               float64    // LARSVelocity: trust coefficient
	Beta1, Beta2        float64    // AdamDescend
	Temperature         float64    // NTXent, NTLogistic and their gradients
	Margin              float64    // Triplet and its gradient
	SemiHard            bool       // NTLogistic, Triplet and their gradients
	Mean, Std           [3]float64 // Image
	Classes             int        // Labels
}

// Size is the number of elements of a tensor of the node's shape.
func (n *Node) Size() int { return Size(n.Shape) }

// String names the node for error messages, for example "Conv#12 [64 16 32 32]".
func (n *Node) String() string {
	if n.Name != "" {
		return fmt.Sprintf("%s(%s) %v", n.Op, n.Name, n.Shape)
	}
	return fmt.Sprintf("%s#%d %v", n.Op, n.ID, n.Shape)
}

// Size is the number of elements of a tensor of the given shape; 1 for a scalar.
func Size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

func (g *Graph) add(op Op, a Attr, shape []int, in ...*Node) *Node {
	n := &Node{ID: len(g.Nodes), Op: op, In: in, Shape: slices.Clone(shape), Attr: a}
	g.Nodes = append(g.Nodes, n)
	return n
}

// Reach returns the nodes needed to compute the given ones, in order. A backend compiles exactly these.
func (g *Graph) Reach(outputs ...*Node) []*Node { return g.ReachFrom(nil, outputs...) }

// ReachFrom is Reach where the values of some nodes are given: they count as leaves, and what only they need is left out.
func (g *Graph) ReachFrom(given []*Node, outputs ...*Node) []*Node {
	need, leaf := make([]bool, len(g.Nodes)), make([]bool, len(g.Nodes))
	for _, n := range given {
		leaf[n.ID] = true
	}
	for _, n := range outputs {
		need[n.ID] = true
	}
	var nodes []*Node
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		if !need[i] {
			continue
		}
		nodes = append(nodes, g.Nodes[i])
		if leaf[i] {
			continue
		}
		for _, in := range g.Nodes[i].In {
			if in != nil {
				need[in.ID] = true
			}
		}
	}
	slices.Reverse(nodes)
	return nodes
}

func check(ok bool, format string, args ...any) {
	if !ok {
		panic("graph: " + fmt.Sprintf(format, args...))
	}
}
