package gorgonia

import (
	"errors"
	"fmt"
	"runtime/debug"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// A state holds tensors from one run of a tape to the next. Those that a run changes are there twice: it reads one and writes the
// other, and a run that fails has changed nothing.
type state struct {
	memory  *arena
	current map[*graph.Node]*value
	next    map[*graph.Node]*value
}

// newState returns zero tensors, of which those in changing have a next value.
func newState(d device.Device, tensors, changing []*graph.Node) (*state, error) {
	s := &state{memory: &arena{device: d}, current: map[*graph.Node]*value{}, next: map[*graph.Node]*value{}}
	bytes := 0
	add := func(to map[*graph.Node]*value, n *graph.Node) {
		v := newValue(d, s.memory, device.Plain, n.Shape)
		v.offset = bytes
		bytes += aligned(v.bytes)
		to[n] = v
	}
	for _, n := range tensors {
		add(s.current, n)
	}
	for _, n := range changing {
		if s.next[n] != nil {
			return nil, fmt.Errorf("%v is updated twice in one step", n)
		}
		add(s.next, n)
	}
	return s, s.memory.grow(bytes)
}

// advance makes the next values the current ones. Operators and nodes keep their values; these change places.
func (s *state) advance() {
	for n, next := range s.next {
		current := s.current[n]
		current.offset, next.offset = next.offset, current.offset
	}
}

func (s *state) free() error {
	if s == nil {
		return nil
	}
	return s.memory.free()
}

// write sets a tensor; values may be nil, for zero.
func write(v *value, values []float32) error {
	if values == nil {
		values = make([]float32, v.bytes/4)
	}
	return v.memory.device.Upload(v.pointer(), bytesOf(values))
}

// read returns a copy of the first n numbers of a value.
func read(v *value, n int) ([]float32, error) {
	values := make([]float32, n)
	if err := v.memory.device.Download(bytesOf(values), v.pointer()); err != nil {
		return nil, err
	}
	return values, nil
}

var errNoCopy = errors.New("the device has no kernel to copy")

// duplicate copies one tensor into another of the same shape. As for an operator, a panic of the kernel is an error.
func (r *recorder) duplicate(to, from *value) (err error) {
	r.turn.RLock()
	defer r.turn.RUnlock()
	k, ok := from.memory.device.Kernel(device.OpCopy)
	if !ok {
		return errNoCopy
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v\n%s", p, debug.Stack())
		}
		if err != nil {
			err = fmt.Errorf("%s %v: %w", device.OpCopy, from.shape, err)
		}
	}()
	return k.Run(&device.Call{In: []device.Tensor{from.tensor()}, Out: to.tensor()})
}

// bytesOf is the memory of numbers.
func bytesOf[T float32 | int32](values []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*4)
}
