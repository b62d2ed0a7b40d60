package gorgonia

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	G "gorgonia.org/gorgonia"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// A tape is a graph of operators, the machine that runs it, and where in the arena its values lie.
type tape struct {
	machine               G.VM // nil where there is nothing to compute
	run                   *run
	operators             []*operator
	image                 *graph.Node
	labels                *graph.Node
	pixels, classes, rate *value // what it reads, or nil
	results               []*value
	batched               []*value
	bytes                 int // of the arena
	fixed                 int // bytes of results that do not shrink with the batch
	staged                bool
	recorder              *recorder
	takes                 []*take   // the one used last at the end
	spare                 []uintptr // room for a key
}

// A recipe is what a tape computes.
type recipe struct {
	step    *graph.Step
	given   map[*graph.Node]*value // tensors, and other nodes whose values are there
	outputs []*graph.Node          // whose values are read when it has run
	stores  []store
	part    bool // the batch may be smaller than the image
	staged  bool // batches are taken in beside steps
}

// A store makes the value of a node end up in a value outside the arena.
type store struct {
	node *graph.Node
	to   *value
}

// newTape compiles a recipe. Values that only it needs lie in memory, which may be too small for them until it grows.
func newTape(d device.Device, memory *arena, r recipe) (_ *tape, err error) {
	defer func() {
		if p := recover(); p != nil { // as Gorgonia does where it cannot compile a graph
			err = fmt.Errorf("gorgonia: %v", p)
		}
	}()
	l := newLowerer(d, memory)
	l.part = r.part
	l.given = r.given
	wanted := slices.Clone(r.outputs)
	for _, s := range r.stores {
		wanted = append(wanted, s.node)
		if _, given := r.given[s.node]; !given && l.target[s.node] == nil {
			l.target[s.node] = s.to
		}
	}
	for _, n := range wanted {
		l.kept[n] = true
	}
	given := make([]*graph.Node, 0, len(r.given))
	for n := range r.given {
		given = append(given, n)
	}
	if err := l.lower(r.step.Graph.ReachFrom(given, wanted...)); err != nil {
		return nil, err
	}
	for _, s := range r.stores {
		l.store(s.node, s.to)
	}
	t := &tape{run: l.run, image: l.image, labels: l.labels, staged: r.staged}
	for _, read := range []struct {
		to   **value
		from *edge
	}{{&t.pixels, l.pixels}, {&t.classes, l.classes}, {&t.rate, l.rate}} {
		if read.from != nil {
			*read.to = read.from.value
		}
	}
	for _, n := range r.outputs {
		t.results = append(t.results, l.edge(n, device.Plain).value)
	}
	if l.err != nil {
		return nil, l.err
	}
	if err := t.order(l.graph); err != nil {
		return nil, err
	}
	if err := t.prepare(); err != nil {
		return nil, err
	}
	t.plan(memory)
	t.fixed = t.fixedBytes(memory, r.given)
	if len(t.operators) > 0 {
		t.machine = G.NewTapeMachine(l.graph)
	}
	return t, nil
}

// order lists the operators as the tape machine will run them: it sorts the graph in the same way.
func (t *tape) order(g *G.ExprGraph) error {
	sorted, err := G.Sort(g)
	if err != nil {
		return err
	}
	for _, node := range slices.Backward(sorted) {
		if o, ok := node.Op().(*operator); ok {
			o.index = len(t.operators)
			t.operators = append(t.operators, o)
		}
	}
	return nil
}

// prepare readies the kernels for the calls that the tape will make.
func (t *tape) prepare() error {
	for _, o := range t.operators {
		if o.kernel.Prepare == nil {
			continue
		}
		if err := o.kernel.Prepare(&o.call); err != nil {
			return fmt.Errorf("%v: %w", o, err)
		}
	}
	return nil
}

// plan gives every value of the tape that lies in memory its place.
func (t *tape) plan(memory *arena) {
	at := map[*value]*lifetime{}
	var all []*lifetime
	begin := func(v *value, index int) *lifetime {
		l := &lifetime{values: []*value{v}, bytes: v.bytes, first: index, last: index}
		all = append(all, l)
		at[v] = l
		if v.batched {
			t.batched = append(t.batched, v)
		}
		return l
	}
	last := map[*value]int{}
	for _, o := range t.operators {
		for _, v := range o.operands {
			if v != nil {
				last[v] = o.index
			}
		}
	}
	for _, v := range t.results {
		last[v] = len(t.operators)
	}
	for _, o := range t.operators {
		for _, v := range o.operands {
			if v != nil && v.memory == memory && at[v] == nil {
				begin(v, 0) // what the tape is given lies there from the start
				at[v].last = last[v]
			}
		}
		if o.scratch != nil {
			begin(o.scratch, o.index)
		}
		if o.result.memory != memory {
			continue
		}
		if v := o.overwritten(); v != nil && at[v] != nil && at[v].last == o.index {
			l := at[v]
			l.values = append(l.values, o.result)
			l.last = max(o.index, last[o.result])
			at[o.result] = l
			if o.result.batched {
				t.batched = append(t.batched, o.result)
			}
			continue
		}
		begin(o.result, o.index).last = max(o.index, last[o.result])
	}
	t.bytes = place(all)
}

// overwritten is the operand whose place the result may take, or nil.
func (o *operator) overwritten() *value {
	if o.kernel.Overwrites == 0 {
		return nil
	}
	v := o.operands[o.kernel.Overwrites-1]
	if v == nil || v.bytes != o.result.bytes || v.layout != o.result.layout {
		return nil
	}
	for i, other := range o.operands {
		if other == v && i != o.kernel.Overwrites-1 {
			return nil
		}
	}
	return v
}

// rows sets how many views the batch has.
func (t *tape) rows(n int) {
	for _, v := range t.batched {
		v.shape[0] = n
	}
}

// play runs the tape operator by operator. After an error the results are undefined.
func (t *tape) play(ctx context.Context) error {
	t.recorder.turn.RLock()
	defer t.recorder.turn.RUnlock()
	return t.runAll(ctx)
}

func (t *tape) runAll(ctx context.Context) error {
	t.run.ctx, t.run.next, t.run.err = ctx, 0, nil
	start := time.Now()
	err := t.machine.RunAll()
	t.machine.Reset()
	switch {
	case t.run.err != nil:
		return t.run.err
	case err != nil:
		return fmt.Errorf("the tape machine failed: %w", err)
	case t.run.next != len(t.operators):
		return errOrder
	}
	t.run.trace.Run(start)
	return ctx.Err()
}

func (t *tape) close() error {
	if t == nil || t.machine == nil {
		return nil
	}
	var errs []error
	for _, k := range t.takes {
		errs = append(errs, k.close())
	}
	t.takes = nil
	return errors.Join(append(errs, t.machine.Close())...)
}
