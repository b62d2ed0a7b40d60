package cuda

import (
	"errors"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// The channels that a block of the second kernel of a sum has.
const totalChannels = 8

// The arguments of the kernels in kernels/normalize.cu.
type (
	momentsArguments struct {
		x, partial unsafe.Pointer
		matrix
	}
	momentsTotalArguments struct {
		partial, x, out       unsafe.Pointer
		rows, slabs, channels int32
	}
	normalizeArguments struct {
		x, moments, gamma, beta, add, out unsafe.Pointer
		matrix
		relu int32
		eps  float32
	}
	normalizeSumsArguments struct {
		x, moments, dy, y, partial unsafe.Pointer
		matrix
	}
	normalizeSumsTotalArguments struct {
		partial, moments, out unsafe.Pointer
		slabs, channels       int32
		eps                   float32
	}
	normalizeGradientArguments struct {
		x, moments, gamma, dy, params, y, out unsafe.Pointer
		matrix
		eps float32
	}
)

func (i images) moments(c *device.Call) error {
	x := c.In[0]
	m, err := divide(x.Shape, fewBlocks)
	if err != nil {
		return err
	}
	slabs, tiles := m.grid()
	if err := i.launch("moments_images", slabs, tiles, unsafe.Pointer(&momentsArguments{x.Data, c.Scratch, m})); err != nil {
		return err
	}
	return i.launch("moments_images_total", parts(x.Shape[1], totalChannels), 1, unsafe.Pointer(&momentsTotalArguments{
		partial: c.Scratch, x: x.Data, out: c.Out.Data, rows: m.rows, slabs: int32(slabs), channels: m.channels,
	}))
}

func (i images) normalize(c *device.Call) error {
	m, err := divide(c.Out.Shape, manyBlocks)
	if err != nil {
		return err
	}
	a := normalizeArguments{
		x: c.In[0].Data, moments: c.In[1].Data, gamma: c.In[2].Data, beta: given(c, 3), add: given(c, 4), out: c.Out.Data,
		matrix: m, eps: float32(c.Attr.Eps),
	}
	if c.Attr.ReLU {
		a.relu = 1
	}
	slabs, tiles := m.grid()
	return i.launch("normalize_images", slabs, tiles, unsafe.Pointer(&a))
}

func (i images) normalizeGradParams(c *device.Call) error {
	x, moments := c.In[0], c.In[1].Data
	m, err := divide(x.Shape, fewBlocks)
	if err != nil {
		return err
	}
	slabs, tiles := m.grid()
	if err := i.launch("normalize_images_sums", slabs, tiles, unsafe.Pointer(&normalizeSumsArguments{
		x: x.Data, moments: moments, dy: c.In[2].Data, y: given(c, 3), partial: c.Scratch, matrix: m,
	})); err != nil {
		return err
	}
	return i.launch("normalize_images_sums_total", parts(x.Shape[1], totalChannels), 1, unsafe.Pointer(&normalizeSumsTotalArguments{
		partial: c.Scratch, moments: moments, out: c.Out.Data, slabs: int32(slabs), channels: m.channels, eps: float32(c.Attr.Eps),
	}))
}

var errNoParams = errors.New("NormalizeGradInput of images needs the result of NormalizeGradParams as its operand 4")

func (i images) normalizeGradInput(c *device.Call) error {
	params := given(c, 4)
	if params == nil {
		return errNoParams
	}
	m, err := divide(c.Out.Shape, manyBlocks)
	if err != nil {
		return err
	}
	slabs, tiles := m.grid()
	return i.launch("normalize_images_gradient", slabs, tiles, unsafe.Pointer(&normalizeGradientArguments{
		x: c.In[0].Data, moments: c.In[1].Data, gamma: c.In[2].Data, dy: c.In[3].Data, params: params, y: given(c, 5), out: c.Out.Data,
		matrix: m, eps: float32(c.Attr.Eps),
	}))
}
