package cuda

import (
	"maps"
	"slices"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// byLayout joins the kernels on images and those on plain tensors: an operation that both have is computed by the former where an
// operand or the result is Images.
func byLayout(images, plain map[graph.Op]device.Kernel) map[graph.Op]device.Kernel {
	kernels := maps.Clone(images)
	for op, k := range plain {
		if onImages, both := images[op]; both {
			k = either(onImages, k)
		}
		kernels[op] = k
	}
	return kernels
}

func either(images, plain device.Kernel) device.Kernel {
	choose := func(c *device.Call) device.Kernel {
		if c.Out.Layout == device.Images || slices.ContainsFunc(c.In, func(t device.Tensor) bool { return t.Layout == device.Images }) {
			return images
		}
		return plain
	}
	k := device.Kernel{
		Run: func(c *device.Call) error { return choose(c).Run(c) },
		Scratch: func(c *device.Call) int {
			if scratch := choose(c).Scratch; scratch != nil {
				return scratch(c)
			}
			return 0
		},
	}
	if images.Overwrites == plain.Overwrites {
		k.Overwrites = images.Overwrites
	}
	return k
}
