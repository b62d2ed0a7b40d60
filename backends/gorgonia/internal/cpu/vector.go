//go:build cgo

package cpu

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/internal/kernel"
)

// vector are the kernels in C. Images lie in blocks of 16 channels, [N, ceil(C/16), H, W, 16].
type vector struct {
	*kernel.Kernels
	level kernel.Level
	team  *kernel.Team
	crew  crew // computes the rest, its products by vector kernels
}

// A thread without work looks out for it so long before it sleeps: longer than operators are apart, and in all a small part of a step.
const (
	lookout     = 500 * time.Microsecond
	longLookout = time.Second // with Options.Spin
)

const hasVector = true

func newVector(o Options) (*vector, error) { return newVectorOf(kernel.Fastest(), o) }

func newVectorOf(l kernel.Level, o Options) (*vector, error) {
	spin := lookout
	if o.Spin {
		spin = longLookout
	}
	team, err := kernel.NewTeam(o.Threads, spin)
	if err != nil {
		return nil, err
	}
	v := &vector{Kernels: kernel.NewKernels(l, team), level: l, team: team}
	v.crew = crew{threads: o.Threads, product: v.product}
	return v, nil
}

func (v *vector) library() string {
	return fmt.Sprintf("goclr's operators %s for %v (%s)", kernel.Revision(), v.level, kernel.Compiler())
}

func (v *vector) close() { v.team.Close() }

// blockedSize is the number of floats of images [N, C, H, W].
func blockedSize(s []int) int { return s[0] * kernel.Blocks(s[1]) * s[2] * s[3] * kernel.Lanes }

// kernels are those in C where there are such, and plain Go elsewhere.
func (v *vector) kernels() map[graph.Op]device.Kernel {
	kernels := v.crew.kernels()
	for op, k := range map[graph.Op]device.Kernel{
		graph.OpConv:           {Run: v.conv, Pixels: true},
		graph.OpConvGradInput:  {Run: v.convGradInput},
		graph.OpConvGradFilter: {Run: v.convGradFilter, Pixels: true},

		graph.OpMaxPool:     {Run: v.maxPool},
		graph.OpMaxPoolGrad: {Run: v.maxPoolGrad},
		graph.OpAvgPool:     {Run: v.avgPool},
		graph.OpAvgPoolGrad: {Run: v.avgPoolGrad},

		graph.OpMatMul:     {Run: v.matMul},
		graph.OpNTXent:     {Run: v.ntXent, Scratch: contrastScratch},
		graph.OpNTXentGrad: {Run: v.ntXentGrad, Scratch: contrastScratch},

		graph.OpVelocity: {Run: v.velocity},
		graph.OpDescend:  {Run: v.descend},

		device.OpArrange: {Run: v.arrange},
		device.OpFlatten: {Run: v.flatten},
	} {
		kernels[op] = k
	}
	for op, run := range map[graph.Op]func(c *device.Call) error{
		graph.OpMoments:             v.moments,
		graph.OpNormalize:           v.normalize,
		graph.OpNormalizeGradInput:  v.normalizeGradInput,
		graph.OpNormalizeGradParams: v.normalizeGradParams,
	} {
		kernels[op] = forImages(run, kernels[op])
	}
	for op, run := range map[graph.Op]func(c *device.Call) error{
		graph.OpAdd: v.add, graph.OpReLU: v.relu, graph.OpReLUGrad: v.reluGrad,
	} {
		kernels[op] = device.Kernel{Run: run, Overwrites: kernels[op].Overwrites}
	}
	for _, op := range []graph.Op{graph.OpScale, graph.OpLerp} {
		kernels[op] = flat(kernels[op])
	}
	return kernels
}

// forImages computes images by run, and anything else as before.
func forImages(run func(c *device.Call) error, other device.Kernel) device.Kernel {
	scratch := other.Scratch
	return device.Kernel{
		Overwrites: other.Overwrites,
		Run: func(c *device.Call) error {
			if len(c.In[0].Shape) == 4 {
				return run(c)
			}
			return other.Run(c)
		},
		Scratch: func(c *device.Call) int {
			if len(c.In[0].Shape) == 4 || scratch == nil {
				return 0
			}
			return scratch(c)
		},
	}
}

// flat lets an elementwise kernel compute images as they lie.
func flat(k device.Kernel) device.Kernel {
	run := k.Run
	k.Run = func(c *device.Call) error {
		if c.Out.Layout != device.Images {
			return run(c)
		}
		whole := *c
		size := []int{blockedSize(c.Out.Shape)}
		whole.Out.Shape = size
		whole.In = make([]device.Tensor, len(c.In))
		for i, in := range c.In {
			in.Shape = size
			whole.In[i] = in
		}
		return run(&whole)
	}
	return k
}

// sizeOf is the number of floats of a tensor as it lies.
func sizeOf(t device.Tensor) int {
	if t.Layout == device.Images {
		return blockedSize(t.Shape)
	}
	return graph.Size(t.Shape)
}

var errLargeFilter = errors.New("filters of more than 7x7 have no vector kernel: compute in plain Go, with the option StandardOperators")

// convShape is that of a convolution of x to y.
func convShape(x, y []int, a graph.Attr) (kernel.Conv, error) {
	if a.Kernel*a.Kernel > kernel.MaxTaps {
		return kernel.Conv{}, errLargeFilter
	}
	return kernel.Conv{N: x[0], C: x[1], H: x[2], W: x[3], O: y[1], K: a.Kernel, Stride: a.Stride, Pad: a.Pad}, nil
}

// pixels are the bytes of an image, and how they are scaled.
func pixels(t device.Tensor) kernel.Pixels {
	p := kernel.Pixels{Bytes: t.Data}
	for c := range 3 {
		p.Scale[c] = float32(1 / (255 * t.Scale.Std[c]))
		p.Offset[c] = float32(-t.Scale.Mean[c] / t.Scale.Std[c])
	}
	return p
}

func (v *vector) conv(c *device.Call) error {
	x, w := c.In[0], c.In[1]
	s, err := convShape(x.Shape, c.Out.Shape, c.Attr)
	switch {
	case err != nil:
		return err
	case x.Layout == device.Pixels:
		return v.ConvPixels(s, pixels(x), w.Data, c.Out.Data)
	}
	return v.Conv(s, x.Data, w.Data, c.Out.Data)
}

func (v *vector) convGradInput(c *device.Call) error {
	dy, w := c.In[0], c.In[1]
	s, err := convShape(c.Out.Shape, dy.Shape, c.Attr)
	if err != nil {
		return err
	}
	return v.ConvGradInput(s, dy.Data, w.Data, c.Out.Data)
}

func (v *vector) convGradFilter(c *device.Call) error {
	x, dy := c.In[0], c.In[1]
	s, err := convShape(x.Shape, dy.Shape, c.Attr)
	switch {
	case err != nil:
		return err
	case x.Layout == device.Pixels:
		return v.ConvPixelsGradFilter(s, pixels(x), dy.Data, c.Out.Data)
	}
	return v.ConvGradFilter(s, x.Data, dy.Data, c.Out.Data)
}

// rows are the two rows of a tensor [2, C].
func rows(t device.Tensor) (first, second unsafe.Pointer) {
	return t.Data, unsafe.Add(t.Data, 4*t.Shape[1])
}

// norm is a normalisation of x with the given moments, which may be a zero Tensor.
func norm(c *device.Call, x, moments device.Tensor) kernel.Norm {
	s := kernel.Norm{N: x.Shape[0], C: x.Shape[1], Pixels: x.Shape[2] * x.Shape[3], Eps: c.Attr.Eps, ReLU: c.Attr.ReLU, X: x.Data}
	if moments.Data != nil {
		s.Mean, s.Variance = rows(moments)
	}
	return s
}

func (v *vector) moments(c *device.Call) error {
	mean, variance := rows(c.Out)
	return v.Moments(norm(c, c.In[0], device.Tensor{}), mean, variance)
}

func (v *vector) normalize(c *device.Call) error {
	s := norm(c, c.In[0], c.In[1])
	s.Gamma, s.Beta, s.Add = c.In[2].Data, c.In[3].Data, c.In[4].Data
	return v.Normalize(s, c.Out.Data)
}

func (v *vector) normalizeGradParams(c *device.Call) error {
	s := norm(c, c.In[0], c.In[1])
	s.Y = c.In[3].Data
	dgamma, dbeta := rows(c.Out)
	return v.NormalizeGradParams(s, c.In[2].Data, dgamma, dbeta)
}

func (v *vector) normalizeGradInput(c *device.Call) error {
	s := norm(c, c.In[0], c.In[1])
	s.Gamma, s.Y = c.In[2].Data, c.In[5].Data
	dgamma, dbeta := rows(c.In[4])
	return v.NormalizeGradInput(s, c.In[3].Data, dgamma, dbeta, c.Out.Data)
}

func (v *vector) add(c *device.Call) error {
	return v.Add(sizeOf(c.Out), c.In[0].Data, c.In[1].Data, c.Out.Data)
}

func (v *vector) relu(c *device.Call) error {
	return v.ReLU(sizeOf(c.Out), c.In[0].Data, c.Out.Data)
}

func (v *vector) reluGrad(c *device.Call) error {
	return v.ReLUGrad(sizeOf(c.Out), c.In[0].Data, c.In[1].Data, c.Out.Data)
}

// poolShape is that of a pooling of x.
func poolShape(x []int, a graph.Attr) kernel.Pool {
	return kernel.Pool{N: x[0], C: x[1], H: x[2], W: x[3], K: a.Kernel, Stride: a.Stride, Pad: a.Pad}
}

func (v *vector) maxPool(c *device.Call) error {
	return v.MaxPool(poolShape(c.In[0].Shape, c.Attr), c.In[0].Data, c.Out.Data)
}

func (v *vector) maxPoolGrad(c *device.Call) error {
	return v.MaxPoolGrad(poolShape(c.In[0].Shape, c.Attr), c.In[0].Data, c.In[2].Data, c.Out.Data)
}

func (v *vector) avgPool(c *device.Call) error {
	x := c.In[0].Shape
	return v.AvgPool(x[0], x[1], x[2]*x[3], c.In[0].Data, c.Out.Data)
}

func (v *vector) avgPoolGrad(c *device.Call) error {
	x := c.Out.Shape
	return v.AvgPoolGrad(x[0], x[1], x[2]*x[3], c.In[0].Data, c.Out.Data)
}

func (v *vector) arrange(c *device.Call) error {
	x := c.Out.Shape
	return v.Block(x[0], x[1], x[2]*x[3], c.In[0].Data, c.Out.Data)
}

func (v *vector) flatten(c *device.Call) error {
	x := c.Out.Shape
	return v.Unblock(x[0], x[1], x[2]*x[3], c.In[0].Data, c.Out.Data)
}

func (v *vector) velocity(c *device.Call) error {
	return v.Velocity(sizeOf(c.Out), c.In[0].Data, c.In[1].Data, c.In[2].Data, c.Attr.Factor, c.Attr.Decay, c.Out.Data)
}

// descend subtracts the velocity itself where there is no rate.
func (v *vector) descend(c *device.Call) error {
	rate := float32(1)
	if c.In[2].Data != nil {
		rate = *(*float32)(c.In[2].Data)
	}
	return v.Descend(sizeOf(c.Out), c.In[0].Data, c.In[1].Data, rate, c.Out.Data)
}
