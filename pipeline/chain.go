package pipeline

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
)

// A step is a stage in its place in the pipeline.
type step struct {
	name   string
	hash   uint64 // of name, for the random numbers
	stage  Stage
	in     Shape  // of what it is given
	drawer Drawer // the stage, if it is one
	at, to int    // its parameters are [at, to) of those of a sample
}

// A chain is a list of stages that run one after the other, in passes.
type chain struct {
	steps  []step
	passes []pass
}

// chains are the stages of a pipeline: base runs once a sample, then each of views from its result. Without Pair, views
// is empty and the result of base is the only view.
type chains struct {
	base   chain
	views  []chain
	shape  Shape // of one view
	params int   // that the Drawers draw for a sample
}

// viewCount is V, the views of a sample.
func (c *chains) viewCount() int { return max(1, len(c.views)) }

// all returns the chains in the order of their parameters.
func (c *chains) all() []*chain {
	list := []*chain{&c.base}
	for v := range c.views {
		list = append(list, &c.views[v])
	}
	return list
}

// newChains names the stages, follows the shape of a sample through them and groups them into passes.
func newChains(stages []Stage) (*chains, error) {
	c := new(chains)
	var last *pair
	if n := len(stages); n > 0 {
		if p, ok := stages[n-1].(*pair); ok {
			last, stages = p, stages[:n-1]
		}
	}
	names := map[string]int{}
	var err error
	if c.base, c.shape, err = newChain(stages, Shape{}, names, &c.params); err != nil {
		return nil, err
	}
	if last != nil {
		base := c.shape
		var shapes [2]Shape
		for v, stages := range last.views {
			view, shape, err := newChain(stages, base, maps.Clone(names), &c.params)
			if err != nil {
				return nil, fmt.Errorf("view %d: %w", v+1, err)
			}
			c.views = append(c.views, view)
			shapes[v] = shape
		}
		if shapes[0] != shapes[1] {
			return nil, fmt.Errorf("view 1 ends as %v, view 2 as %v; both views of PairOf must have the same shape",
				shapes[0], shapes[1])
		}
		c.shape = shapes[0]
	}
	if c.shape.Encoded() {
		return nil, errors.New("the stages end with an encoded image; begin with a decoder such as stages.Decode")
	}
	if !c.shape.Fixed() {
		return nil, fmt.Errorf("the stages end with an %v, but a batch needs one size; "+
			"add a stage that fixes it, such as stages.RandomResizedCrop", c.shape)
	}
	c.group()
	return c, nil
}

// newChain returns the steps of stages and the shape they end with. seen counts the names in use before them, params the
// parameters.
func newChain(stages []Stage, in Shape, seen map[string]int, params *int) (chain, Shape, error) {
	var c chain
	for i, s := range stages {
		name, inner, err := identify(s)
		if err != nil {
			return c, in, fmt.Errorf("stage %d: %w", i+1, err)
		}
		seen[name]++
		if k := seen[name]; k > 1 {
			name = fmt.Sprintf("%s#%d", name, k)
		}
		t := step{name: name, hash: stageHash(name), stage: inner, in: in, at: *params}
		if d, ok := inner.(Drawer); ok {
			t.drawer = d
			*params += len(d.Params())
		}
		t.to = *params
		if shaper, ok := inner.(Shaper); ok {
			if in, err = shaper.Shape(in); err != nil {
				return c, in, fmt.Errorf("stage %s: %w", name, err)
			}
		}
		c.steps = append(c.steps, t)
	}
	return c, in, nil
}

// identify returns the name of a stage and the stage without the wrapper that Named put around it.
func identify(s Stage) (string, Stage, error) {
	name := ""
	for {
		n, ok := s.(*named)
		if !ok {
			break
		}
		if name == "" { // the outermost name counts
			name = n.name
			if name == "" || strings.Contains(name, "#") {
				return "", nil, fmt.Errorf("the name %q given to Named is empty or contains '#'", name)
			}
		}
		s = n.stage
	}
	if s == nil {
		return "", nil, errors.New("it is nil")
	}
	v := reflect.ValueOf(s)
	if k := v.Kind(); (k == reflect.Pointer || k == reflect.Func) && v.IsNil() {
		return "", nil, fmt.Errorf("it is a nil %T", s)
	}
	switch s.(type) {
	case *pair:
		return "", nil, errors.New("a Pair must be the last stage, neither named nor inside another Pair")
	case StageFunc:
		if name == "" {
			return "", nil, errors.New(`a StageFunc has no name of its own; wrap it: pipeline.Named("Invert", f)`)
		}
	}
	if name == "" {
		name = typeName(v.Type())
	}
	if name == "" {
		return "", nil, fmt.Errorf(`its type %T has no name; wrap it: pipeline.Named("Invert", s)`, s)
	}
	return name, s, nil
}

// typeName is the name of a type, or of what it points to, without the package.
func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}
