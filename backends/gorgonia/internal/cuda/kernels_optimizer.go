package cuda

import (
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// optimizerArguments are those of the averages in kernels/optimizer.cu.
type optimizerArguments struct {
	average, p, grad, out unsafe.Pointer
	n                     int64
	factor, rest, decay   float32
}

// average updates a moving average, operand 0, by a parameter and its gradient.
func (p plain) average(kernel string) func(c *device.Call) error {
	return func(c *device.Call) error {
		n := graph.Size(c.Out.Shape)
		return p.launch(kernel, blocksFor(n), 1, unsafe.Pointer(&optimizerArguments{
			average: c.In[0].Data, p: c.In[1].Data, grad: c.In[2].Data, out: c.Out.Data, n: int64(n),
			factor: float32(c.Attr.Factor), rest: float32(1 - c.Attr.Factor), decay: float32(c.Attr.Decay),
		}))
	}
}

// larsParts is the most parts that the squares of a length are added up in: as many as a block has threads.
const larsParts = blockThreads

func larsPartsOf(n int) int { return min(larsParts, blocksFor(n)) }

// larsScratch has the squares of the lengths of the parameter and of its gradient, in parts of 8 bytes.
func larsScratch(c *device.Call) int {
	if c.Attr.Trust <= 0 {
		return 0
	}
	return 2 * scratchFloats(2*larsPartsOf(graph.Size(c.Out.Shape)))
}

// larsArguments are those of lars_squares and lars_velocity.
type larsArguments struct {
	v, p, grad, rate, squares, out unsafe.Pointer
	n                              int64
	parts                          int32
	momentum, decay, trust         float32
}

func (p plain) larsVelocity(c *device.Call) error {
	n := graph.Size(c.Out.Shape)
	a := larsArguments{
		v: c.In[0].Data, p: c.In[1].Data, grad: c.In[2].Data, rate: c.In[3].Data, squares: c.Scratch, out: c.Out.Data, n: int64(n),
		momentum: float32(c.Attr.Factor), decay: float32(c.Attr.Decay), trust: float32(c.Attr.Trust),
	}
	if c.Attr.Trust > 0 {
		a.parts = int32(larsPartsOf(n))
		if err := p.launch("lars_squares", int(a.parts), 1, unsafe.Pointer(&a)); err != nil {
			return err
		}
	}
	return p.launch("lars_velocity", blocksFor(n), 1, unsafe.Pointer(&a))
}

// descendArguments are those of descend.
type descendArguments struct {
	p, v, rate, out unsafe.Pointer
	n               int64
}

func (p plain) descend(c *device.Call) error {
	n := graph.Size(c.Out.Shape)
	return p.launch("descend", blocksFor(n), 1, unsafe.Pointer(&descendArguments{
		p: c.In[0].Data, v: c.In[1].Data, rate: given(c, 2), out: c.Out.Data, n: int64(n),
	}))
}

// countArguments are those of count.
type countArguments struct{ n, out unsafe.Pointer }

func (p plain) count(c *device.Call) error {
	return p.launch("count", 1, 1, unsafe.Pointer(&countArguments{n: c.In[0].Data, out: c.Out.Data}))
}

// adamDescendArguments are those of adam_descend.
type adamDescendArguments struct {
	p, mean, square, rate, step, out unsafe.Pointer
	n                                int64
	beta1, beta2                     float64
	eps                              float32
}

func (p plain) adamDescend(c *device.Call) error {
	n := graph.Size(c.Out.Shape)
	return p.launch("adam_descend", blocksFor(n), 1, unsafe.Pointer(&adamDescendArguments{
		p: c.In[0].Data, mean: c.In[1].Data, square: c.In[2].Data, rate: c.In[3].Data, step: c.In[4].Data, out: c.Out.Data, n: int64(n),
		beta1: c.Attr.Beta1, beta2: c.Attr.Beta2, eps: float32(c.Attr.Eps),
	}))
}
