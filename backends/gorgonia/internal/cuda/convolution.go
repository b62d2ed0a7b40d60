package cuda

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// workspaceLimit is the most memory that an algorithm of cuDNN may want for itself, in bytes, if another one wants less.
const workspaceLimit = 1 << 30

// convolutions computes them by cuDNN. The filters, which are [O, C, k, k] of float32 elsewhere, are arranged as [O, k, k, C] of the
// type of images in scratch memory. Algorithms share a workspace, since one follows another in the stream: a smaller batch may want
// more of it than a whole one.
type convolutions struct {
	*cudnn
	gpu       *gpu
	handle    uintptr
	precision precision
	anyOrder  bool // sums may be taken in another order each time

	mu        sync.Mutex
	plans     map[planKey]*convolutionPlan
	workspace *memory
	size      int // bytes of the workspace
	moves     int // how often the workspace has changed
	one, zero *float32
}

type planKey struct {
	run function
	convolution
}

// newConvolutions starts cuDNN on a GPU. Where anyOrder is set, results may differ in their last bits from one run to the next.
func newConvolutions(g *gpu, c *cudnn, p precision, anyOrder bool) (*convolutions, error) {
	v := &convolutions{cudnn: c, gpu: g, precision: p, anyOrder: anyOrder, plans: map[planKey]*convolutionPlan{}, one: new(float32), zero: new(float32)}
	*v.one = 1
	if err := g.do(func() error {
		if err := c.check("cudnnCreate", c.cudnnCreate.call(uintptr(unsafe.Pointer(&v.handle)))); err != nil {
			return fmt.Errorf("cuDNN does not start: %w", err)
		}
		if err := v.follow(g.stream); err != nil {
			c.cudnnDestroy.call(v.handle)
			return err
		}
		return nil
	}); err != nil {
		return nil, err
	}
	return v, nil
}

// follow has cuDNN compute in a stream from now on.
func (v *convolutions) follow(stream uintptr) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.check("cudnnSetStream", v.cudnnSetStream.call(v.handle, stream))
}

// kernels is the table of what cuDNN computes.
func (v *convolutions) kernels() map[graph.Op]device.Kernel {
	return map[graph.Op]device.Kernel{
		graph.OpConv:           {Run: v.conv, Scratch: v.scratch(convOf), Prepare: v.prepare(v.forward(), convOf)},
		graph.OpConvGradInput:  {Run: v.convGradInput, Scratch: v.scratch(gradInputOf), Prepare: v.prepare(v.gradInput(), gradInputOf)},
		graph.OpConvGradFilter: {Run: v.convGradFilter, Scratch: v.scratch(gradFilterOf), Prepare: v.prepare(v.gradFilter(), gradFilterOf)},
	}
}

// convOf, gradInputOf and gradFilterOf are the convolutions of a call of each operation.
func convOf(c *device.Call) convolution {
	return describeConvolution(c.In[0].Shape, c.In[1].Shape, c.Out.Shape, c.Attr)
}

func gradInputOf(c *device.Call) convolution {
	return describeConvolution(c.Out.Shape, c.In[1].Shape, c.In[0].Shape, c.Attr)
}

func gradFilterOf(c *device.Call) convolution {
	return describeConvolution(c.In[0].Shape, c.Out.Shape, c.In[1].Shape, c.Attr)
}

func describeConvolution(x, w, y []int, a graph.Attr) convolution {
	return convolution{
		n: x[0], channels: x[1], height: x[2], width: x[3],
		filters: w[0], kernel: w[2], rows: y[2], cols: y[3], stride: a.Stride, pad: a.Pad,
	}
}

// scratch is the memory for filters.
func (v *convolutions) scratch(of func(*device.Call) convolution) func(*device.Call) int {
	return func(c *device.Call) int { return v.elementBytes() * of(c).weights() }
}

// prepare has cuDNN choose an algorithm, and makes room for it.
func (v *convolutions) prepare(d direction, of func(*device.Call) convolution) func(*device.Call) error {
	return func(c *device.Call) error {
		return v.gpu.do(func() error {
			v.mu.Lock()
			defer v.mu.Unlock()
			_, err := v.prepared(d, of(c))
			return err
		})
	}
}

func (v *convolutions) elementBytes() int {
	if v.precision == bf16 {
		return 2
	}
	return 4
}

func (v *convolutions) conv(c *device.Call) error {
	k := convOf(c)
	if err := v.arrange(k, c.In[1].Data, c.Scratch); err != nil {
		return err
	}
	return v.run(v.forward(), k, c.In[0].Data, c.Scratch, c.Out.Data)
}

func (v *convolutions) convGradInput(c *device.Call) error {
	k := gradInputOf(c)
	if err := v.arrange(k, c.In[1].Data, c.Scratch); err != nil {
		return err
	}
	return v.run(v.gradInput(), k, c.Scratch, c.In[0].Data, c.Out.Data)
}

func (v *convolutions) convGradFilter(c *device.Call) error {
	k := gradFilterOf(c)
	if err := v.run(v.gradFilter(), k, c.In[0].Data, c.In[1].Data, c.Scratch); err != nil {
		return err
	}
	return v.rearrange("flatten_filter", k, c.Scratch, c.Out.Data)
}

func (v *convolutions) arrange(c convolution, from, to unsafe.Pointer) error {
	return v.rearrange("arrange_filter", c, from, to)
}

// filterArguments are those of arrange_filter and flatten_filter.
type filterArguments struct {
	x, out         unsafe.Pointer
	n              int64
	channels, area int32
}

// filterBlocks is the most blocks that arrange filters.
const filterBlocks = 2048

func (v *convolutions) rearrange(kernel string, c convolution, from, to unsafe.Pointer) error {
	n := c.weights()
	a := filterArguments{x: from, out: to, n: int64(n), channels: int32(c.channels), area: int32(c.kernel * c.kernel)}
	return v.gpu.launch(kernel, min(filterBlocks, (n+threads-1)/threads), 1, unsafe.Pointer(&a))
}

// run computes a convolution or a gradient of one.
func (v *convolutions) run(d direction, c convolution, first, second, result unsafe.Pointer) error {
	return v.gpu.do(func() error {
		v.mu.Lock()
		defer v.mu.Unlock()
		for {
			p, err := v.prepared(d, c)
			if err != nil {
				return err
			}
			status := v.start(p, first, second, result)
			if notSupported(status) && len(p.algorithms) > 1 { // which cuDNN may find out only now
				if err := v.drop(p); err != nil {
					return err
				}
				continue
			}
			if err := v.check("cudnnConvolution"+d.name, status); err != nil {
				return fmt.Errorf("%v by algorithm %d: %w", c, p.algorithms[0].number, err)
			}
			return nil
		}
	})
}

// start has cuDNN compute by a plan's first algorithm, and returns its status.
func (v *convolutions) start(p *convolutionPlan, first, second, result unsafe.Pointer) uintptr {
	a := p.algorithms[0]
	var workspace uintptr
	if a.workspace > 0 {
		workspace = v.workspace.address
	}
	return p.direction.run.call(v.handle, uintptr(unsafe.Pointer(v.one)),
		p.first, uintptr(first), p.second, uintptr(second), p.convolution, uintptr(a.number),
		workspace, uintptr(a.workspace), uintptr(unsafe.Pointer(v.zero)), p.result, uintptr(result))
}

// notSupported reports whether a status of cuDNN is one of those that name a reason why something is not supported.
func notSupported(status uintptr) bool { return int32(status)/1000*1000 == cudnnNotSupported }

// prepared is the plan of a convolution, with a workspace that is large enough for it.
func (v *convolutions) prepared(d direction, c convolution) (*convolutionPlan, error) {
	key := planKey{d.run, c}
	p, ok := v.plans[key]
	if !ok {
		var err error
		if p, err = v.plan(d, c); err != nil {
			return nil, err
		}
		v.plans[key] = p
	}
	return p, v.grow(p.algorithms[0].workspace)
}

// grow makes the workspace large enough.
func (v *convolutions) grow(size int) error {
	if size <= v.size {
		return nil
	}
	old := v.workspace
	v.workspace, v.size = nil, 0
	v.moves++
	if old != nil {
		if err := old.Free(); err != nil {
			return err
		}
	}
	m, err := v.gpu.allocate(size)
	if err != nil {
		return fmt.Errorf("memory for cuDNN's convolutions: %w", err)
	}
	v.workspace, v.size = m, size
	return nil
}

// moved is how often the workspace has changed.
func (v *convolutions) moved() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.moves
}

// close gives everything back. Nothing may be running.
func (v *convolutions) close() error {
	var err error
	if v.workspace != nil {
		err = v.workspace.Free()
	}
	return errors.Join(err, v.gpu.do(func() error {
		for _, p := range v.plans {
			p.close()
		}
		return v.check("cudnnDestroy", v.cudnnDestroy.call(v.handle))
	}))
}
