package gorgonia_test

import (
	"fmt"

	"gorgonia.org/gorgonia"
)

// A stockResNet is a network of table 1 of the ResNet paper (He et al. 2016) with a projection head of the SimCLR paper, written
// down a second time. Names are those of torchvision, where the 3x3 convolution of a bottleneck carries the stride.
type stockResNet struct {
	blocks     []int // of each stage
	bottleneck bool
	channels   int   // of the first stage
	imageNet   bool  // the stem of images of 224 pixels; otherwise that of CIFAR
	head       []int // the widths of its layers
}

// build returns what the loss compares of views [2B, 3, H, W], before it is brought to unit length.
func (r stockResNet) build(s *stockNet, x *gorgonia.Node) *gorgonia.Node {
	if r.imageNet {
		x = stockMaxPool(stockReLU(s.norm("bn1", s.conv("conv1", x, r.channels, 7, 2))))
	} else {
		x = stockReLU(s.norm("bn1", s.conv("conv1", x, r.channels, 3, 1)))
	}
	width := r.channels
	for stage, count := range r.blocks {
		for i := range count {
			stride := 1
			if stage > 0 && i == 0 {
				stride = 2
			}
			x = r.block(s, fmt.Sprintf("layer%d.%d.", stage+1, i), x, width, stride)
		}
		width *= 2
	}
	x = stockMeanPixel(x)
	for i, width := range r.head {
		last := i == len(r.head)-1
		x = s.dense(fmt.Sprintf("projection.linear%d", i+1), x, width)
		x = s.normColumns(fmt.Sprintf("projection.bn%d", i+1), x, !last)
		if !last {
			x = stockReLU(x)
		}
	}
	return x
}

// block is a block of figure 5 of the ResNet paper, on the left or on the right, with shortcuts of option B: projections where
// the shape changes.
func (r stockResNet) block(s *stockNet, name string, x *gorgonia.Node, width, stride int) *gorgonia.Node {
	y, out := x, width
	if r.bottleneck {
		out = 4 * width
		y = stockReLU(s.norm(name+"bn1", s.conv(name+"conv1", y, width, 1, 1)))
		y = stockReLU(s.norm(name+"bn2", s.conv(name+"conv2", y, width, 3, stride)))
		y = s.norm(name+"bn3", s.conv(name+"conv3", y, out, 1, 1))
	} else {
		y = stockReLU(s.norm(name+"bn1", s.conv(name+"conv1", y, width, 3, stride)))
		y = s.norm(name+"bn2", s.conv(name+"conv2", y, out, 3, 1))
	}
	if stride > 1 || x.Shape()[1] != out {
		x = s.norm(name+"downsample.1", s.conv(name+"downsample.0", x, out, 1, stride))
	}
	return stockReLU(must(gorgonia.Add(y, x)))
}
