package cuda

import (
	"fmt"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// A window is that of a MaxPool of planes of height by width, as in kernels/pool.cu.
type window struct{ height, width, outHeight, outWidth, kernel, stride, pad int32 }

func windowOf(x, y []int, a graph.Attr) window {
	return window{int32(x[2]), int32(x[3]), int32(y[2]), int32(y[3]), int32(a.Kernel), int32(a.Stride), int32(a.Pad)}
}

// The arguments of the kernels in kernels/pool.cu.
type (
	maxPoolArguments struct { // also of max_pool_places, whose out are bytes
		x, out unsafe.Pointer
		matrix
		window
	}
	maxPoolGradientArguments struct {
		places, dy, out unsafe.Pointer
		matrix
		window
	}
	averagePoolArguments struct {
		x, out unsafe.Pointer
		matrix
	}
	averagePoolGradientArguments struct {
		dy, out unsafe.Pointer
		matrix
		area int32
	}
)

func (i images) maxPool(c *device.Call) error {
	return i.poolWindows("max_pool", c.In[0], c.Out.Shape, c.Attr, c.Out.Data)
}

// poolWindows runs a kernel that computes something of each window of x, in a result of shape y.
func (i images) poolWindows(kernel string, x device.Tensor, y []int, a graph.Attr, out unsafe.Pointer) error {
	m, err := divide(y, manyBlocks)
	if err != nil {
		return err
	}
	slabs, tiles := m.grid()
	return i.launch(kernel, slabs, tiles, unsafe.Pointer(&maxPoolArguments{x.Data, out, m, windowOf(x.Shape, y, a)}))
}

// placesScratch has a byte for each window: which of its elements is the first maximum.
func placesScratch(c *device.Call) int { return graph.Size(c.In[2].Shape) }

func (i images) maxPoolGrad(c *device.Call) error {
	const largest = 16 // whose elements a byte can number
	if c.Attr.Kernel > largest {
		return fmt.Errorf("MaxPoolGrad of windows of %d by %d: there is a kernel up to %d by %d", c.Attr.Kernel, c.Attr.Kernel, largest, largest)
	}
	x, dy := c.In[0], c.In[2]
	if err := i.poolWindows("max_pool_places", x, dy.Shape, c.Attr, c.Scratch); err != nil {
		return err
	}
	m, err := divide(x.Shape, manyBlocks)
	if err != nil {
		return err
	}
	slabs, tiles := m.grid()
	return i.launch("max_pool_gradient", slabs, tiles, unsafe.Pointer(&maxPoolGradientArguments{
		places: c.Scratch, dy: dy.Data, out: c.Out.Data, matrix: m, window: windowOf(x.Shape, dy.Shape, c.Attr),
	}))
}

// avgPool gives each block one image, so that it needs no second kernel.
func (i images) avgPool(c *device.Call) error {
	x := c.In[0]
	m, err := divide(x.Shape, manyBlocks)
	if err != nil {
		return err
	}
	m.slab = int32(x.Shape[2] * x.Shape[3])
	slabs, tiles := m.grid()
	return i.launch("average_pool", slabs, tiles, unsafe.Pointer(&averagePoolArguments{x.Data, c.Out.Data, m}))
}

func (i images) avgPoolGrad(c *device.Call) error {
	s := c.Out.Shape
	m, err := divide(s, manyBlocks)
	if err != nil {
		return err
	}
	slabs, tiles := m.grid()
	return i.launch("average_pool_gradient", slabs, tiles, unsafe.Pointer(&averagePoolGradientArguments{
		dy: c.In[0].Data, out: c.Out.Data, matrix: m, area: int32(s[2] * s[3]),
	}))
}
