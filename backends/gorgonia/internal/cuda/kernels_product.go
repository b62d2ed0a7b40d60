package cuda

import (
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// tileSide is the side of a tile of kernels/tile.cuh.
const tileSide = 64

// tiled multiplies by a kernel of our own.
type tiled struct{ launcher }

// productArguments are those of kernels/product.cu.
type productArguments struct {
	a, b, out      unsafe.Pointer
	m, n, k        int32
	transA, transB int32
}

func (t tiled) multiply(m, n, k int, a unsafe.Pointer, transA bool, b unsafe.Pointer, transB bool, out unsafe.Pointer) error {
	return t.launch("product", parts(m, tileSide), parts(n, tileSide), unsafe.Pointer(&productArguments{
		a: a, b: b, out: out, m: int32(m), n: int32(n), k: int32(k), transA: flag(transA), transB: flag(transB),
	}))
}

func (p plain) matMul(c *device.Call) error {
	k := c.In[0].Shape[1]
	if c.Attr.TransA {
		k = c.In[0].Shape[0]
	}
	return p.multiply(c.Out.Shape[0], c.Out.Shape[1], k, c.In[0].Data, c.Attr.TransA, c.In[1].Data, c.Attr.TransB, c.Out.Data)
}
