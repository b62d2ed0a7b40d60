package cuda

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// workspaceLimit is the most memory that an algorithm of cuDNN may want for itself, in bytes, if another one wants less.
const workspaceLimit = 1 << 30

// spareWorkspace is how much memory, in bytes, there is at least for others, should the best algorithm turn out not to compute.
const spareWorkspace = 64 << 20

// workspaceAlignment is that of the memory that an algorithm of cuDNN gets for itself, as of memory of its own.
const workspaceAlignment = 256

// convolutions computes them by cuDNN, or by kernels of our own where it has no algorithm. The filters, which are [O, C, k, k] of float32
// elsewhere, are arranged as [O, k, k, C] of the type of images in scratch memory, which an algorithm's workspace is part of too.
type convolutions struct {
	*cudnn
	gpu       *gpu
	handle    uintptr
	precision precision
	anyOrder  bool                 // sums may be taken in another order each time
	warn      func(message string) // of the first convolution without an algorithm; may be nil

	mu        sync.Mutex
	plans     map[planKey]*convolutionPlan
	warned    bool
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
			return fmt.Errorf("cuDNN does not start: %w", g.cause(err))
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

// kernels is the table of convolutions.
func (v *convolutions) kernels() map[graph.Op]device.Kernel {
	kernel := func(run func(c *device.Call) error, d direction, of func(*device.Call) convolution) device.Kernel {
		return device.Kernel{Run: run, Scratch: v.scratch(d, of), Prepare: v.prepare(d, of)}
	}
	return map[graph.Op]device.Kernel{
		graph.OpConv:           kernel(v.conv, v.forward(), convOf),
		graph.OpConvGradInput:  kernel(v.convGradInput, v.gradInput(), gradInputOf),
		graph.OpConvGradFilter: kernel(v.convGradFilter, v.gradFilter(), gradFilterOf),
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

// scratch is the memory for filters, and for what the algorithm wants for itself.
func (v *convolutions) scratch(d direction, of func(*device.Call) convolution) func(*device.Call) int {
	return func(c *device.Call) int {
		k := of(c)
		bytes := v.filterBytes(k)
		_ = v.planned(d, k, func(p *convolutionPlan) error { // of an error Prepare tells
			switch {
			case p.workspace() > 0:
				bytes += workspaceAlignment + p.workspace()
			case len(p.algorithms) == 0 && d.run == v.filterRun:
				bytes = max(bytes, k.sumParts()*k.weights()*plainFloat)
			}
			return nil
		})
		return bytes
	}
}

// prepare has cuDNN choose an algorithm.
func (v *convolutions) prepare(d direction, of func(*device.Call) convolution) func(*device.Call) error {
	return func(c *device.Call) error {
		return v.planned(d, of(c), func(*convolutionPlan) error { return nil })
	}
}

// planned calls f with the plan of a convolution.
func (v *convolutions) planned(d direction, c convolution, f func(p *convolutionPlan) error) error {
	return v.gpu.do(func() error {
		v.mu.Lock()
		defer v.mu.Unlock()
		key := planKey{d.run, c}
		p, ok := v.plans[key]
		if !ok {
			var err error
			if p, err = v.plan(d, c); err != nil {
				return err
			}
			v.plans[key] = p
		}
		return f(p)
	})
}

// filterBytes are those of the filters as they are arranged.
func (v *convolutions) filterBytes(c convolution) int { return v.elementBytes() * c.weights() }

func (v *convolutions) elementBytes() int {
	if v.precision == bf16 {
		return 2
	}
	return 4
}

func (v *convolutions) conv(c *device.Call) error {
	k, x, w, y := convOf(c), c.In[0].Data, c.Scratch, c.Out.Data
	if err := v.arrange(k, c.In[1].Data, w); err != nil {
		return err
	}
	if ran, err := v.run(v.forward(), k, c, x, w, y); ran || err != nil {
		return err
	}
	return ownConvolutions{v.gpu}.forward(k, x, w, y)
}

func (v *convolutions) convGradInput(c *device.Call) error {
	k, w, dy, dx := gradInputOf(c), c.Scratch, c.In[0].Data, c.Out.Data
	if err := v.arrange(k, c.In[1].Data, w); err != nil {
		return err
	}
	if ran, err := v.run(v.gradInput(), k, c, w, dy, dx); ran || err != nil {
		return err
	}
	return ownConvolutions{v.gpu}.gradInput(k, w, dy, dx)
}

func (v *convolutions) convGradFilter(c *device.Call) error {
	k, x, dy := gradFilterOf(c), c.In[0].Data, c.In[1].Data
	switch ran, err := v.run(v.gradFilter(), k, c, x, dy, c.Scratch); {
	case err != nil:
		return err
	case ran:
		return v.rearrange("flatten_filter", k, c.Scratch, c.Out.Data)
	}
	return ownConvolutions{v.gpu}.gradFilter(k, x, dy, c.Scratch, c.Room, c.Out.Data)
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

// run has cuDNN compute a convolution or a gradient of one by the best algorithm that does with the scratch memory of a call; ran is false
// where there is none. Those that turn out not to compute it are given up.
func (v *convolutions) run(d direction, k convolution, c *device.Call, first, second, result unsafe.Pointer) (ran bool, err error) {
	workspace, room := v.workspace(k, c)
	err = v.planned(d, k, func(p *convolutionPlan) error {
		for i := 0; i < len(p.algorithms); {
			a := p.algorithms[i]
			if a.workspace > room { // as may be for a smaller batch than that of the scratch memory
				i++
				continue
			}
			err := v.start(p, a, first, second, result, workspace)
			if err == nil {
				ran, p.algorithms[i].proven = true, true
				return nil
			}
			err = fmt.Errorf("%v by algorithm %d: %w", k, a.number, err)
			if isFinal(err) || a.proven { // what has computed before fails for another reason, such as that a stream is captured
				return err
			}
			p.algorithms, p.refused = slices.Delete(p.algorithms, i, i+1), err
		}
		v.tell(p, k)
		return nil
	})
	return ran, err
}

// workspace is the part of the scratch memory of a call that algorithms may have, and its size.
func (v *convolutions) workspace(k convolution, c *device.Call) (address uintptr, room int) {
	start := uintptr(c.Scratch)
	address = (start + uintptr(v.filterBytes(k)) + workspaceAlignment - 1) &^ (workspaceAlignment - 1)
	return address, max(0, c.Room-int(address-start))
}

// start has cuDNN compute by an algorithm of a plan.
func (v *convolutions) start(p *convolutionPlan, a convolutionAlgorithm, first, second, result unsafe.Pointer, workspace uintptr) error {
	if a.workspace == 0 {
		workspace = 0
	}
	if err := v.setMath(p, a.math); err != nil {
		return err
	}
	status := p.direction.run.call(v.handle, uintptr(unsafe.Pointer(v.one)),
		p.first, uintptr(first), p.second, uintptr(second), p.convolution, uintptr(a.number),
		workspace, uintptr(a.workspace), uintptr(unsafe.Pointer(v.zero)), p.result, uintptr(result))
	err := v.check("cudnnConvolution"+p.direction.name, status)
	if notSupported(status) {
		return err
	}
	return v.gpu.cause(err)
}

// notSupported reports whether a status of cuDNN is one of those that name a reason why something is not supported.
func notSupported(status uintptr) bool { return int32(status)/1000*1000 == cudnnNotSupported }

// tell warns of a convolution that cuDNN does not compute, the first time.
func (v *convolutions) tell(p *convolutionPlan, k convolution) {
	if v.warned || v.warn == nil {
		return
	}
	v.warned = true
	why := p.refused
	if why == nil {
		why = errors.New("for this smaller batch its algorithms want more memory than for the whole one")
	}
	v.warn(fmt.Sprintf("cuDNN has no algorithm for %s of a %v, perhaps of others too: kernels of goclr's own compute them, which is slower; "+
		"another precision or -deterministic=false may help: %v", p.direction.name, k, why))
}

// close gives everything back. Nothing may be running.
func (v *convolutions) close() error {
	return v.gpu.do(func() error {
		for _, p := range v.plans {
			p.close()
		}
		return v.check("cudnnDestroy", v.cudnnDestroy.call(v.handle))
	})
}
