package cuda

import (
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// symmetricSide is the side of a tile of symmetrize.
const symmetricSide = 32

// contrastScratch has the similarities of all pairs of views, and a number for each view.
func contrastScratch(c *device.Call) int {
	n := c.In[0].Shape[0]
	return scratchFloats(n*n) + scratchFloats(n)
}

// contrastArguments are those of the losses in kernels/contrast.cu.
type contrastArguments struct {
	similarities, losses unsafe.Pointer
	n, semiHard          int32
	sharpness, margin    float32
}

// compare computes the similarities of all pairs of views into scratch memory, and runs a kernel with a block for each view on them.
func (p plain) compare(kernel string, c *device.Call) error {
	z := c.In[0]
	n, features := z.Shape[0], z.Shape[1]
	if err := p.multiply(n, n, features, z.Data, false, z.Data, true, c.Scratch); err != nil {
		return err
	}
	a := contrastArguments{
		similarities: c.Scratch, losses: behind(c.Scratch, n*n), n: int32(n), semiHard: flag(c.Attr.SemiHard), margin: float32(c.Attr.Margin),
	}
	if c.Attr.Temperature > 0 {
		a.sharpness = float32(1 / c.Attr.Temperature)
	}
	return p.launch(kernel, n, 1, unsafe.Pointer(&a))
}

// meanOfViews sets the result to the mean of what a kernel yields for each view.
func (p plain) meanOfViews(kernel string) func(c *device.Call) error {
	return func(c *device.Call) error {
		if err := p.compare(kernel, c); err != nil {
			return err
		}
		n := c.In[0].Shape[0]
		return p.scaledSum(behind(c.Scratch, n*n), n, 1/float64(n), c.Out.Data)
	}
}

// symmetrizeArguments are those of symmetrize.
type symmetrizeArguments struct {
	s      unsafe.Pointer
	n      int32
	factor float32
}

// pull sets the result to the gradient of the views, where a kernel replaces their similarities by weights. A similarity pulls on both
// of its views.
func (p plain) pull(kernel string) func(c *device.Call) error {
	return func(c *device.Call) error {
		if err := p.compare(kernel, c); err != nil {
			return err
		}
		n, features := c.Out.Shape[0], c.Out.Shape[1]
		tiles := parts(n, symmetricSide)
		both := symmetrizeArguments{s: c.Scratch, n: int32(n), factor: 1 / float32(n)}
		if err := p.launch("symmetrize", tiles, tiles, unsafe.Pointer(&both)); err != nil {
			return err
		}
		return p.multiply(n, features, n, c.Scratch, false, c.In[0].Data, false, c.Out.Data)
	}
}
