package cuda

import (
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// plain computes on Plain tensors. Sums are taken in an order that shapes alone decide, and rows that do not mix have the same bits
// in a batch of any size, products as far as the multiplier keeps to that.
type plain struct {
	launcher
	multiplier
}

// plainKernels returns a kernel for each operation of package graph that computes something of Plain tensors. Moments, Normalize and
// its gradients take matrices, elementwise operations any shape. Nothing is read on the host, so a label that is no class makes NaN.
func plainKernels(l launcher, m multiplier) map[graph.Op]device.Kernel {
	p := plain{l, m}
	return map[graph.Op]device.Kernel{
		graph.OpMoments:             {Run: p.moments, Scratch: columnScratch},
		graph.OpNormalize:           {Run: p.normalize, Overwrites: 1},
		graph.OpNormalizeGradParams: {Run: p.normalizeGradParams, Scratch: columnScratch},
		graph.OpNormalizeGradInput:  {Run: p.normalizeGradInput, Scratch: normalizeGradInputScratch, Overwrites: 4},

		graph.OpReLU:     {Run: p.relu, Overwrites: 1},
		graph.OpReLUGrad: {Run: p.reluGrad, Overwrites: 2},

		graph.OpMatMul:  {Run: p.matMul},
		graph.OpAddBias: {Run: p.addBias, Overwrites: 1},
		graph.OpSumRows: {Run: p.sumRows, Scratch: columnScratch},

		graph.OpL2Normalize:     {Run: p.l2Normalize, Overwrites: 1},
		graph.OpL2NormalizeGrad: {Run: p.l2NormalizeGrad, Overwrites: 3},
		graph.OpNTXent:          {Run: p.meanOfViews("ntxent_losses"), Scratch: contrastScratch},
		graph.OpNTXentGrad:      {Run: p.pull("ntxent_weights"), Scratch: contrastScratch},
		graph.OpNTLogistic:      {Run: p.meanOfViews("ntlogistic_losses"), Scratch: contrastScratch},
		graph.OpNTLogisticGrad:  {Run: p.pull("ntlogistic_weights"), Scratch: contrastScratch},
		graph.OpTriplet:         {Run: p.meanOfViews("triplet_losses"), Scratch: contrastScratch},
		graph.OpTripletGrad:     {Run: p.pull("triplet_weights"), Scratch: contrastScratch},
		graph.OpPairAccuracy:    {Run: p.meanOfViews("nearest_positives"), Scratch: contrastScratch},
		graph.OpSpread:          {Run: p.spread, Scratch: spreadScratch},

		graph.OpCrossEntropy:     {Run: p.meanOfRows("cross_entropy_rows"), Scratch: labelScratch},
		graph.OpCrossEntropyGrad: {Run: p.crossEntropyGrad, Overwrites: 1},
		graph.OpLabelAccuracy:    {Run: p.meanOfRows("label_hits"), Scratch: labelScratch},

		graph.OpAdd:   {Run: p.add, Overwrites: 1},
		graph.OpScale: {Run: p.scale, Overwrites: 1},
		graph.OpLerp:  {Run: p.lerp, Overwrites: 1},
		graph.OpRow:   {Run: p.row},
		graph.OpStack: {Run: p.stack},
		device.OpCopy: {Run: p.copy},

		graph.OpVelocity:     {Run: p.average("velocity"), Overwrites: 1},
		graph.OpLARSVelocity: {Run: p.larsVelocity, Scratch: larsScratch, Overwrites: 1},
		graph.OpDescend:      {Run: p.descend, Overwrites: 1},
		graph.OpCount:        {Run: p.count, Overwrites: 1},
		graph.OpAdamMean:     {Run: p.average("adam_mean"), Overwrites: 1},
		graph.OpAdamSquare:   {Run: p.average("adam_square"), Overwrites: 1},
		graph.OpAdamDescend:  {Run: p.adamDescend, Overwrites: 1},
	}
}

const (
	plainElements = 4  // that a thread has at least, where there are many
	plainFloat    = 4  // bytes
	plainLine     = 64 // bytes that pieces of scratch memory are aligned to
)

// blocksFor is the number of blocks of a kernel that takes n elements in a loop.
func blocksFor(n int) int { return blocks(parts(n, plainElements)) }

// scratchFloats is what n numbers take of scratch memory.
func scratchFloats(n int) int { return parts(n*plainFloat, plainLine) * plainLine }

// behind is the memory behind n numbers of scratch memory.
func behind(scratch unsafe.Pointer, n int) unsafe.Pointer {
	return unsafe.Add(scratch, scratchFloats(n))
}

func flag(set bool) int32 {
	if set {
		return 1
	}
	return 0
}
