package graph

import "fmt"

// A Step is what a backend compiles: one training step of a model, or an encoder to evaluate, or both over the same weights.
type Step struct {
	Graph *Graph

	// Training; all nil for a step that is only evaluated. The Image that they reach has two rows for each image of a batch, or
	// as many as the batch has views where the loss depends on Labels. Such a step has neither Spread nor Project.
	Loss     *Node    // scalar
	Accuracy *Node    // scalar: contrastive accuracy, or with Labels the share of views with the right class
	Spread   *Node    // scalar: see Graph.Spread; may be nil
	Project  *Node    // [rows, F] unit vectors that the loss compares, from the statistics of the batch itself; may be nil
	Updates  []Update // what the step changes, all computed from the values before it

	// What Updates go by, for backends that add up gradients over several batches; see Differentiate and Divide. May be nil.
	Gradients   []Gradient
	ProjectGrad *Node // gradient of Loss with respect to Project

	// Features is the encoder's output [rows, F] with running statistics: each row depends on its own image only. Its Image
	// may have another number of rows than that of the loss, and a batch may be smaller than that. May be nil.
	Features *Node
}

// An Update replaces the value of a Param, State or Slot at the end of a step.
type Update struct{ Target, Value *Node }

// A Gradient is that of Loss with respect to a parameter.
type Gradient struct{ Param, Value *Node }

// Outputs returns the nodes that a training step yields: the metrics (loss, accuracy and, where there is one, spread) and then
// the updates' values.
func (s *Step) Outputs() []*Node {
	if s.Loss == nil {
		return nil
	}
	out := []*Node{s.Loss, s.Accuracy}
	if s.Spread != nil {
		out = append(out, s.Spread)
	}
	for _, u := range s.Updates {
		out = append(out, u.Value)
	}
	return out
}

// Tensors returns the Param, State and Slot nodes that the step reads or writes: what a program owns, loads and saves.
func (s *Step) Tensors() []*Node {
	out := s.Outputs()
	for _, n := range []*Node{s.Project, s.Features} {
		if n != nil {
			out = append(out, n)
		}
	}
	for _, u := range s.Updates {
		out = append(out, u.Target)
	}
	var tensors []*Node
	for _, n := range s.Graph.Reach(out...) {
		switch n.Op {
		case OpParam, OpState, OpSlot:
			tensors = append(tensors, n)
		}
	}
	return tensors
}

// LabelsOf returns the Labels that the given node depends on, or nil.
func (s *Step) LabelsOf(n *Node) *Node {
	for _, m := range s.Graph.Reach(n) {
		if m.Op == OpLabels {
			return m
		}
	}
	return nil
}

// ImageOf returns the Image that the given node depends on.
func (s *Step) ImageOf(n *Node) (*Node, error) {
	for _, m := range s.Graph.Reach(n) {
		if m.Op == OpImage {
			return m, nil
		}
	}
	return nil, fmt.Errorf("graph: %v depends on no image", n)
}
