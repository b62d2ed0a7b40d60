package cuda

import (
	"math"
	"slices"
	"testing"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

func TestElementwiseOnImages(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		for _, shape := range append(imageShapes, []int{1, 1, 1, 3}, []int{7, 3, 19, 23}) {
			a, b := p.operand(shape...), p.operand(shape...)
			for _, n := range []*graph.Node{
				p.Add(a, b), p.ReLU(a), p.ReLUGrad(p.computed(p.ReLU(a)), b), p.Scale(a, -0.37), p.Lerp(a, b, 0.9),
			} {
				p.check(n, p.call(n), p.want(n))
			}
		}
	})
}

func TestNaNStays(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		x := p.operand(1, 8, 1, 2)
		p.values[x][3] = math.NaN()
		for _, n := range []*graph.Node{p.ReLU(x), p.Normalize(x, p.running(8), p.operand(8), nil, nil, true, eps)} {
			if y := p.compute(n.Op, p.call(n)); y[3] == y[3] {
				t.Errorf("%v made %v of NaN", n, y[3])
			}
		}
	})
}

// TestArrangeAndFlatten moves numbers that bfloat16 has.
func TestArrangeAndFlatten(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		for _, shape := range append(imageShapes, []int{2, 33, 8, 8}, []int{2, 70, 6, 7}) {
			n := p.operand(shape...)
			images, plain := p.tensor(n), p.empty(device.Plain, shape)
			p.write(plain, p.values[n])
			want := p.read(images)
			arranged := p.compute(device.OpArrange, &device.Call{In: []device.Tensor{plain}, Out: p.empty(device.Images, shape)})
			flattened := p.compute(device.OpFlatten, &device.Call{In: []device.Tensor{images}, Out: p.empty(device.Plain, shape)})
			if !slices.Equal(arranged, want) {
				t.Errorf("Arrange of %v moves elements to wrong places", shape)
			}
			if !slices.Equal(flattened, want) {
				t.Errorf("Flatten of %v moves elements to wrong places", shape)
			}
		}
	})
}

func TestImage(t *testing.T) {
	bothPrecisions(t, func(p *trial) {
		for _, s := range [][3]int{{1, 1, 1}, {5, 7, 6}, {3, 5, 5}, {4, 32, 32}} {
			n := p.Image("views", s[0], s[1], s[2], [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225})
			in := p.empty(device.Pixels, n.Shape)
			in.Scale = &n.Attr
			bytes := unsafe.Slice((*byte)(in.Data), n.Size())
			for i := range bytes {
				bytes[i] = byte(i * 89)
			}
			want := make([]float64, n.Size())
			for i, at := range places(device.Images, n.Shape) {
				channel := at % 3
				want[i] = (float64(bytes[at])/255 - n.Attr.Mean[channel]) / n.Attr.Std[channel]
			}
			for _, l := range []device.Layout{device.Images, device.Plain} {
				p.check(n, &device.Call{In: []device.Tensor{in}, Out: p.empty(l, n.Shape)}, want)
			}
			in.Scale = nil
			if err := p.kernels[n.Op].Run(&device.Call{In: []device.Tensor{in}, Out: p.empty(device.Plain, n.Shape)}); err == nil {
				t.Error("pixels without a Scale became numbers")
			}
		}
	})
}

// TestImagesOfFewerRows cuts the batch of a call: its rows must be the same bits as those of the whole batch.
func TestImagesOfFewerRows(t *testing.T) {
	const batch, few = 9, 4
	bothPrecisions(t, func(p *trial) {
		x, add := p.operand(batch, 12, 11, 10), p.operand(batch, 12, 11, 10)
		y := p.computed(p.MaxPool(x, 3, 2, 1))
		for _, n := range []*graph.Node{
			p.Normalize(x, p.running(12), p.operand(12), p.operand(12), add, true, eps),
			p.MaxPool(x, 3, 2, 1), p.MaxPoolGrad(x, y, p.operand(y.Shape...), 3, 2, 1),
			p.AvgPool(x), p.AvgPoolGrad(p.operand(batch, 12), x.Shape),
			p.Add(x, add), p.ReLU(x), p.ReLUGrad(x, add), p.Scale(x, 3), p.Lerp(x, add, 0.2),
		} {
			c := p.call(n)
			whole := p.compute(n.Op, c)
			for i := range c.In {
				if shape := c.In[i].Shape; len(shape) > 1 && shape[0] == batch {
					c.In[i].Shape = append([]int{few}, shape[1:]...)
				}
			}
			c.Out = p.empty(c.Out.Layout, append([]int{few}, n.Shape[1:]...))
			if part := p.compute(n.Op, c); !slices.EqualFunc(part, whole[:len(part)], sameBits) {
				t.Errorf("%v: %d of %d rows are not those of the whole batch", n, few, batch)
			}
		}
	})
}
