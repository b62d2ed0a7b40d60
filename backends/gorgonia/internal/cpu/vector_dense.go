//go:build cgo

package cpu

import (
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// start is the address of numbers.
func start[T float32 | float64](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

func (v *vector) product(m, n, k int, a, b, c []float32) error {
	return v.Matmul(m, n, k, start(a), false, start(b), false, start(c))
}

func (v *vector) matMul(c *device.Call) error {
	a := c.In[0].Shape
	k := a[1]
	if c.Attr.TransA {
		k = a[0]
	}
	return v.Matmul(c.Out.Shape[0], c.Out.Shape[1], k, c.In[0].Data, c.Attr.TransA, c.In[1].Data, c.Attr.TransB, c.Out.Data)
}

// ntXentRows returns the loss of each view and, instead of the similarities, the gradient of the loss by them.
func (v *vector) ntXentRows(c *device.Call) (losses, weights []float32, err error) {
	s, terms, err := v.crew.similarities(c)
	if err != nil {
		return nil, nil, err
	}
	losses = unsafe.Slice((*float32)(start(terms)), len(terms))
	return losses, s, v.NTXentRows(len(terms), start(s), c.Attr.Temperature, start(losses), start(s))
}

func (v *vector) ntXent(c *device.Call) error {
	losses, _, err := v.ntXentRows(c)
	if err != nil {
		return err
	}
	total := 0.0
	for _, loss := range losses {
		total += float64(loss)
	}
	floats(c.Out)[0] = float32(total / float64(len(losses)))
	return nil
}

func (v *vector) ntXentGrad(c *device.Call) error {
	_, weights, err := v.ntXentRows(c)
	if err != nil {
		return err
	}
	return v.crew.pullBy(c, weights, 1)
}
