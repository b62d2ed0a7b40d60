package graph

import (
	"errors"
	"fmt"
	"slices"
)

// Differentiate appends the gradients of Loss to the graph, and sets Gradients, in the order of params, and ProjectGrad where
// there is a Project. A parameter that the loss does not depend on has a nil Value.
func (s *Step) Differentiate(params []*Node) {
	wrt := slices.Clone(params)
	if s.Project != nil {
		wrt = append(wrt, s.Project)
	}
	grads := s.Graph.Grad(s.Loss, wrt)
	if s.Project != nil {
		s.ProjectGrad = grads[len(params)]
	}
	s.Gradients = nil
	for i, p := range params {
		s.Gradients = append(s.Gradients, Gradient{p, grads[i]})
	}
}

// A Division is a training step in two parts, so that gradients can be added up over several batches before they are applied.
type Division struct {
	// Gradients are those that there are, and Moved the updates that depend on the image but on no gradient, such as running
	// statistics. Given ProjectGrad, both are computed from a batch without the loss.
	Gradients []Gradient
	Moved     []Update
	// Applied are all other updates. Given the sums of the Gradients, they depend on tensors and the rate alone.
	Applied []Update
}

// Divide sorts what a step computes. It returns an error for a step that knows no gradients, or that cannot be divided.
func (s *Step) Divide() (Division, error) {
	if s.ProjectGrad == nil {
		return Division{}, errors.New("the step has no gradients of its own: a loss, then graph.Step.Differentiate, provide them")
	}
	var d Division
	var values []*Node
	for _, g := range s.Gradients {
		if g.Value != nil {
			d.Gradients = append(d.Gradients, g)
			values = append(values, g.Value)
		}
	}
	for _, u := range s.Updates {
		image, gradient, rate := false, false, false
		for _, n := range s.Graph.ReachFrom(values, u.Value) {
			image = image || n.Op == OpImage
			rate = rate || n.Op == OpRate
			gradient = gradient || slices.Contains(values, n)
		}
		switch {
		case !image:
			d.Applied = append(d.Applied, u)
		case gradient || rate:
			return Division{}, fmt.Errorf("the update of %v depends on the image and on more: it cannot be computed batch by batch", u.Target)
		default:
			d.Moved = append(d.Moved, u)
		}
	}
	return d, nil
}
