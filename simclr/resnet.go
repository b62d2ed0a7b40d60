package simclr

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/goclr/goclr/backends/graph"
)

// An architecture is one of the residual networks of He et al. (2016), with the names that torchvision gives its weights.
type architecture struct {
	blocks    [4]int
	expansion int // channels of a block's result over those of its 3x3 convolution
	block     func(b *builder, name string, x *graph.Node, channels, stride int) *graph.Node
}

var architectures = map[string]architecture{
	"resnet18":  {[4]int{2, 2, 2, 2}, 1, basicBlock},
	"resnet34":  {[4]int{3, 4, 6, 3}, 1, basicBlock},
	"resnet50":  {[4]int{3, 4, 6, 3}, 4, bottleneck},
	"resnet101": {[4]int{3, 4, 23, 3}, 4, bottleneck},
	"resnet152": {[4]int{3, 8, 36, 3}, 4, bottleneck},
}

// Encoders returns the names of the encoders, the shallowest first.
func Encoders() []string {
	depth := func(name string) int { return architectures[name].depth() }
	return slices.SortedFunc(maps.Keys(architectures), func(a, b string) int { return cmp.Compare(depth(a), depth(b)) })
}

// depth is the number of layers with weights, which the network is called after: convolutions but those of shortcuts, and fc.
func (a architecture) depth() int {
	perBlock := 2
	if a.expansion > 1 {
		perBlock = 3
	}
	layers := 2
	for _, n := range a.blocks {
		layers += perBlock * n
	}
	return layers
}

// smallStem is the largest image side at which halving the image twice before the first block would lose too much.
const smallStem = 64

func (a architecture) build(b *builder, m Model, x *graph.Node) *graph.Node {
	if m.ImageSize <= smallStem {
		x = b.norm("bn1", b.conv("conv1", x, m.channels(64), 3, 1), normOptions{relu: true})
	} else {
		x = b.norm("bn1", b.conv("conv1", x, m.channels(64), 7, 2), normOptions{relu: true})
		x = b.g.MaxPool(x, 3, 2, 1)
	}
	for i, blocks := range a.blocks {
		for j := range blocks {
			stride := 1
			if i > 0 && j == 0 {
				stride = 2
			}
			x = a.block(b, fmt.Sprintf("layer%d.%d", i+1, j), x, m.channels(64<<i), stride)
		}
	}
	return b.g.AvgPool(x)
}

// basicBlock is two 3x3 convolutions beside a shortcut.
func basicBlock(b *builder, name string, x *graph.Node, channels, stride int) *graph.Node {
	y := b.norm(name+".bn1", b.conv(name+".conv1", x, channels, 3, stride), normOptions{relu: true})
	y = b.conv(name+".conv2", y, channels, 3, 1)
	return b.norm(name+".bn2", y, normOptions{relu: true, add: shortcut(b, name, x, channels, stride), zeroGamma: true})
}

// bottleneck is a 3x3 convolution, which carries the stride, between two 1x1 ones beside a shortcut.
func bottleneck(b *builder, name string, x *graph.Node, channels, stride int) *graph.Node {
	y := b.norm(name+".bn1", b.conv(name+".conv1", x, channels, 1, 1), normOptions{relu: true})
	y = b.norm(name+".bn2", b.conv(name+".conv2", y, channels, 3, stride), normOptions{relu: true})
	y = b.conv(name+".conv3", y, 4*channels, 1, 1)
	return b.norm(name+".bn3", y, normOptions{relu: true, add: shortcut(b, name, x, 4*channels, stride), zeroGamma: true})
}

// shortcut is x itself, or a 1x1 convolution of it where the block changes its shape.
func shortcut(b *builder, name string, x *graph.Node, channels, stride int) *graph.Node {
	if stride == 1 && x.Shape[1] == channels {
		return x
	}
	return b.norm(name+".downsample.1", b.conv(name+".downsample.0", x, channels, 1, stride), normOptions{})
}
