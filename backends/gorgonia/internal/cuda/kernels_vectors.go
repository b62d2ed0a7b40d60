package cuda

import (
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// vectorsArguments are those of the operations on rows in kernels/vectors.cu.
type vectorsArguments struct {
	x, y, dy, out unsafe.Pointer
	features      int32
	eps           float32
}

func (p plain) l2Normalize(c *device.Call) error {
	return p.launch("l2_normalize", c.Out.Shape[0], 1, unsafe.Pointer(&vectorsArguments{
		x: c.In[0].Data, out: c.Out.Data, features: int32(c.Out.Shape[1]), eps: float32(c.Attr.Eps),
	}))
}

func (p plain) l2NormalizeGrad(c *device.Call) error {
	return p.launch("l2_normalize_grad", c.Out.Shape[0], 1, unsafe.Pointer(&vectorsArguments{
		x: c.In[0].Data, y: c.In[1].Data, dy: c.In[2].Data, out: c.Out.Data, features: int32(c.Out.Shape[1]), eps: float32(c.Attr.Eps),
	}))
}

// scaledSumArguments are those of scaled_sum.
type scaledSumArguments struct {
	values, out unsafe.Pointer
	n           int64
	factor      float32
}

// scaledSum sets out to factor times the sum of n values.
func (p plain) scaledSum(values unsafe.Pointer, n int, factor float64, out unsafe.Pointer) error {
	return p.launch("scaled_sum", 1, 1, unsafe.Pointer(&scaledSumArguments{values: values, out: out, n: int64(n), factor: float32(factor)}))
}
