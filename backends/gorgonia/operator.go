package gorgonia

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"runtime/debug"
	"time"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/internal/trace"
)

// An operator is one operation at one place of a step: a gorgonia.Op that knows its operands' shapes, where its result lies, and
// what computes it.
type operator struct {
	op       graph.Op
	id       int // of the node that needs it
	serial   int // which of the tape's operators it is, in the order in which they were made
	index    int // place in the order in which the machine runs operators
	kernel   device.Kernel
	operands []*value // as the operation has them; nil where one is left out
	call     device.Call
	scratch  *value // or nil
	result   *value
	run      *run
}

// A run is what the operators of one tape share while it runs.
type run struct {
	ctx  context.Context
	next int   // index of the operator whose turn it is
	err  error // why the tape has stopped
	// trace records the operators, if it is not nil, by the device's name.
	trace  *trace.Recorder
	device string
}

var errOrder = errors.New("the tape machine does not run the operators for which memory was planned, in their order: this is a bug of goclr")

// Do computes the result from its operands, those that are there.
func (o *operator) Do(in ...G.Value) (_ G.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v: %v\n%s", o, p, debug.Stack())
		}
		if err != nil {
			o.run.err = err
		}
	}()
	if err := o.run.ctx.Err(); err != nil {
		return nil, err
	}
	if o.index != o.run.next {
		return nil, errOrder
	}
	o.run.next++
	for i, operand := range o.operands {
		if operand == nil {
			continue
		}
		if in[0] != G.Value(operand) {
			return nil, errOrder
		}
		o.call.In[i] = operand.tensor()
		in = in[1:]
	}
	o.call.Out = o.result.tensor()
	if o.scratch != nil {
		o.call.Scratch = o.scratch.pointer()
	}
	start := time.Now()
	if err := o.kernel.Run(&o.call); err != nil {
		return nil, fmt.Errorf("%v: %w", o, err)
	}
	if o.run.trace != nil { // the name takes memory
		o.run.trace.Operator(o.String(), string(o.op), o.run.device, start)
	}
	return o.result, nil
}

// The other methods of gorgonia.Op.

func (o *operator) Arity() int {
	n := 0
	for _, operand := range o.operands {
		if operand != nil {
			n++
		}
	}
	return n
}

func (o *operator) Type() hm.Type {
	var types []hm.Type
	for _, operand := range o.operands {
		if operand != nil {
			types = append(types, operand.Type())
		}
	}
	return hm.NewFnType(append(types, o.result.Type())...)
}

func (o *operator) InferShape(...G.DimSizer) (tensor.Shape, error) {
	return outerShape(o.result.shape).Clone(), nil
}

func (o *operator) ReturnsPtr() bool     { return true } // the result is the operator's own memory
func (o *operator) CallsExtern() bool    { return false }
func (o *operator) OverwritesInput() int { return -1 }

// WriteHash tells operators apart: two of them are never one, since each has a result of its own.
func (o *operator) WriteHash(h hash.Hash) { fmt.Fprintf(h, "%s %d", o.op, o.serial) }

func (o *operator) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o *operator) String() string { return fmt.Sprintf("%s#%d %v", o.op, o.id, o.result.shape) }
