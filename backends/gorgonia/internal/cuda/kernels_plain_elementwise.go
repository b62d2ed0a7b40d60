package cuda

import (
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// plainElementwiseArguments are those of kernels/plain_elementwise.cu.
type plainElementwiseArguments struct {
	a, b, out unsafe.Pointer
	n         int64
	factor    float32
}

// elementwise computes each element of the result from those of the operands.
func (p plain) elementwise(kernel string, c *device.Call) error {
	n := graph.Size(c.Out.Shape)
	return p.launch(kernel, blocksFor(n), 1, unsafe.Pointer(&plainElementwiseArguments{
		a: c.In[0].Data, b: given(c, 1), out: c.Out.Data, n: int64(n), factor: float32(c.Attr.Factor),
	}))
}

func (p plain) relu(c *device.Call) error     { return p.elementwise("plain_relu", c) }
func (p plain) reluGrad(c *device.Call) error { return p.elementwise("plain_relu_grad", c) }
func (p plain) add(c *device.Call) error      { return p.elementwise("plain_add", c) }
func (p plain) scale(c *device.Call) error    { return p.elementwise("plain_scale", c) }
func (p plain) lerp(c *device.Call) error     { return p.elementwise("plain_lerp", c) }
func (p plain) copy(c *device.Call) error     { return p.elementwise("plain_copy", c) }

func (p plain) row(c *device.Call) error {
	n := graph.Size(c.Out.Shape)
	return p.launch("plain_copy", blocksFor(n), 1, unsafe.Pointer(&plainElementwiseArguments{
		a: unsafe.Add(c.In[0].Data, c.Attr.Index*n*plainFloat), out: c.Out.Data, n: int64(n),
	}))
}

func (p plain) stack(c *device.Call) error {
	n := graph.Size(c.In[0].Shape)
	return p.launch("plain_stack", blocksFor(n), 1, unsafe.Pointer(&plainElementwiseArguments{
		a: c.In[0].Data, b: c.In[1].Data, out: c.Out.Data, n: int64(n),
	}))
}
