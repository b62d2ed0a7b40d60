package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// images computes on tensors of Layout Images, [N, H, W, C] in memory, by the kernels in kernels/normalize.cu, pool.cu and images.cu.
type images struct{ launcher }

// imageKernels are those for operations whose operands or results are Images. Elementwise operations take Images alone.
func imageKernels(l launcher) map[graph.Op]device.Kernel {
	i := images{l}
	return map[graph.Op]device.Kernel{
		graph.OpImage:    {Run: i.pixels, Pixels: true},
		device.OpArrange: {Run: i.arrange},
		device.OpFlatten: {Run: i.flatten},

		graph.OpMoments:             {Run: i.moments, Scratch: sumsScratch},
		graph.OpNormalize:           {Run: i.normalize, Overwrites: 1},
		graph.OpNormalizeGradParams: {Run: i.normalizeGradParams, Scratch: sumsScratch},
		graph.OpNormalizeGradInput:  {Run: i.normalizeGradInput, Overwrites: 4},

		graph.OpMaxPool:     {Run: i.maxPool},
		graph.OpMaxPoolGrad: {Run: i.maxPoolGrad, Scratch: placesScratch},
		graph.OpAvgPool:     {Run: i.avgPool},
		graph.OpAvgPoolGrad: {Run: i.avgPoolGrad},

		graph.OpAdd:      {Run: i.elementwise("add_images"), Overwrites: 1},
		graph.OpReLU:     {Run: i.elementwise("relu_images"), Overwrites: 1},
		graph.OpReLUGrad: {Run: i.elementwise("relu_gradient_images"), Overwrites: 2},
		graph.OpScale:    {Run: i.elementwise("scale_images"), Overwrites: 1},
		graph.OpLerp:     {Run: i.elementwise("lerp_images"), Overwrites: 1},
	}
}

const blockThreads = 256

// given is the memory of an operand, or nil where a call leaves it out.
func given(c *device.Call, i int) unsafe.Pointer {
	if i >= len(c.In) {
		return nil
	}
	return c.In[i].Data
}

// blocks are those for the work of n threads. Each may get more to do.
func blocks(n int) int { return max(1, min(manyBlocks, parts(n, blockThreads))) }

// imagesArguments are the images_arguments in kernels/images.cu.
type imagesArguments struct {
	x, y, out unsafe.Pointer
	n         int64
	factor    float32
}

// elementwise runs a kernel of one or two operands.
func (i images) elementwise(kernel string) func(c *device.Call) error {
	const elements = 16 // for a thread, of which it takes 16 bytes at a time
	return func(c *device.Call) error {
		a := imagesArguments{
			x: c.In[0].Data, y: given(c, 1), out: c.Out.Data,
			n: int64(graph.Size(c.Out.Shape)), factor: float32(c.Attr.Factor),
		}
		return i.launch(kernel, blocks(int(a.n)/elements), 1, unsafe.Pointer(&a))
	}
}

// transposeArguments are the arrange_images_arguments and flatten_images_arguments in kernels/images.cu.
type transposeArguments struct {
	x, out                unsafe.Pointer
	channels, area, tiles int32
}

func (i images) transpose(kernel string, c *device.Call) error {
	const tile = 32
	s := c.Out.Shape
	channels, area := s[1], s[2]*s[3]
	a := transposeArguments{
		x: c.In[0].Data, out: c.Out.Data,
		channels: int32(channels), area: int32(area), tiles: int32(parts(area, tile)),
	}
	return i.launch(kernel, s[0]*int(a.tiles), parts(channels, tile), unsafe.Pointer(&a))
}

func (i images) arrange(c *device.Call) error { return i.transpose("arrange_images", c) }
func (i images) flatten(c *device.Call) error { return i.transpose("flatten_images", c) }

// pixelsArguments are the pixels_arguments in kernels/images.cu.
type pixelsArguments struct {
	pixels, out   unsafe.Pointer
	n             int64
	area          int32
	factor, shift [3]float32
}

var errNoScale = errors.New("pixels without a mean and a deviation cannot be made numbers: give the tensor its Scale")

// pixels makes Images, or planes of floats, of the bytes of views.
func (i images) pixels(c *device.Call) error {
	in, s := c.In[0], c.Out.Shape
	if in.Layout != device.Pixels {
		return fmt.Errorf("an Image is made of pixels, not of layout %d", in.Layout)
	}
	scale := in.Scale
	if scale == nil {
		return errNoScale
	}
	a := pixelsArguments{pixels: in.Data, out: c.Out.Data, area: int32(s[2] * s[3])}
	for channel := range a.factor {
		a.factor[channel] = float32(1 / (255 * scale.Std[channel]))
		a.shift[channel] = float32(-scale.Mean[channel] / scale.Std[channel])
	}
	if c.Out.Layout == device.Images {
		const elements = 16 // for a thread, of which it takes 4 at a time
		a.n = int64(graph.Size(s))
		return i.launch("pixels_to_images", blocks(int(a.n)/elements), 1, unsafe.Pointer(&a))
	}
	a.n = int64(s[0] * s[2] * s[3])
	return i.launch("pixels_to_planes", blocks(int(a.n)), 1, unsafe.Pointer(&a))
}
