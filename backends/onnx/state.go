package onnx

import (
	"fmt"

	"github.com/goclr/goclr/backends/graph"
)

// A state holds the tensors of a program. Those that a step changes are there twice: a step reads one set and writes
// the other, and a step that fails has changed nothing.
type state struct {
	sets [2]map[*graph.Node]*tensor
	now  int // index of the set with the current values
}

func newState(s *graph.Step) (*state, error) {
	st := &state{sets: [2]map[*graph.Node]*tensor{{}, {}}}
	for _, n := range s.Tensors() {
		if err := st.add(n, 0); err != nil {
			st.free()
			return nil, err
		}
		st.sets[1][n] = st.sets[0][n]
	}
	updated := map[*graph.Node]bool{}
	for _, u := range s.Updates {
		if updated[u.Target] {
			st.free()
			return nil, fmt.Errorf("%v is updated twice in one step", u.Target)
		}
		updated[u.Target] = true
		if err := st.add(u.Target, 1); err != nil {
			st.free()
			return nil, err
		}
	}
	return st, nil
}

func (st *state) add(n *graph.Node, set int) error {
	t, err := newTensor(tensorShape(n))
	if err != nil {
		return fmt.Errorf("%v: %w", n, err)
	}
	st.sets[set][n] = t
	return nil
}

// current is the tensor with the value of n.
func (st *state) current(n *graph.Node) *tensor { return st.sets[st.now][n] }

// next is the tensor that a step writes the new value of n to.
func (st *state) next(n *graph.Node) *tensor { return st.sets[1-st.now][n] }

// advance makes the next values the current ones.
func (st *state) advance() { st.now = 1 - st.now }

func (st *state) free() {
	if st == nil {
		return
	}
	for _, set := range st.sets {
		for _, t := range set {
			t.free()
		}
	}
}
