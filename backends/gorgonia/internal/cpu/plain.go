package cpu

import (
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// plainKernels returns a kernel in plain Go for each operation of package graph that computes something, and for OpCopy. All
// tensors are row-major. A kernel divides its work by the shapes alone, so its results do not depend on the number of threads, and
// a batch with fewer rows gives the same bits for those that it has, where rows do not mix.
func plainKernels(threads int) map[graph.Op]device.Kernel {
	return crew{threads: max(1, threads)}.kernels()
}

func (w crew) kernels() map[graph.Op]device.Kernel {
	return map[graph.Op]device.Kernel{
		graph.OpImage: {Run: w.image, Pixels: true},

		graph.OpConv:           {Run: w.conv, Scratch: w.convScratch},
		graph.OpConvGradInput:  {Run: w.convGradInput, Scratch: w.convGradInputScratch},
		graph.OpConvGradFilter: {Run: w.convGradFilter, Scratch: w.convGradFilterScratch},

		graph.OpMoments:             {Run: w.moments},
		graph.OpNormalize:           {Run: w.normalize, Scratch: normalizeScratch, Overwrites: 1},
		graph.OpNormalizeGradParams: {Run: w.normalizeGradParams},
		graph.OpNormalizeGradInput:  {Run: w.normalizeGradInput, Scratch: normalizeGradInputScratch, Overwrites: 4},

		graph.OpReLU:        {Run: w.relu, Overwrites: 1},
		graph.OpReLUGrad:    {Run: w.reluGrad, Overwrites: 2},
		graph.OpMaxPool:     {Run: w.maxPool},
		graph.OpMaxPoolGrad: {Run: w.maxPoolGrad},
		graph.OpAvgPool:     {Run: w.avgPool},
		graph.OpAvgPoolGrad: {Run: w.avgPoolGrad},

		graph.OpMatMul:  {Run: w.matMul, Scratch: matMulScratch},
		graph.OpAddBias: {Run: w.addBias, Overwrites: 1},
		graph.OpSumRows: {Run: w.sumRows},

		graph.OpL2Normalize:     {Run: w.l2Normalize, Overwrites: 1},
		graph.OpL2NormalizeGrad: {Run: w.l2NormalizeGrad, Overwrites: 3},
		graph.OpNTXent:          {Run: w.ntXent, Scratch: contrastScratch},
		graph.OpNTXentGrad:      {Run: w.ntXentGrad, Scratch: contrastScratch},
		graph.OpNTLogistic:      {Run: w.ntLogistic, Scratch: contrastScratch},
		graph.OpNTLogisticGrad:  {Run: w.ntLogisticGrad, Scratch: contrastScratch},
		graph.OpTriplet:         {Run: w.triplet, Scratch: contrastScratch},
		graph.OpTripletGrad:     {Run: w.tripletGrad, Scratch: contrastScratch},
		graph.OpPairAccuracy:    {Run: w.pairAccuracy, Scratch: contrastScratch},
		graph.OpSpread:          {Run: w.spread, Scratch: spreadScratch},

		graph.OpCrossEntropy:     {Run: w.crossEntropy, Scratch: labelScratch},
		graph.OpCrossEntropyGrad: {Run: w.crossEntropyGrad, Overwrites: 1},
		graph.OpLabelAccuracy:    {Run: w.labelAccuracy, Scratch: labelScratch},

		graph.OpAdd:   {Run: w.add, Overwrites: 1},
		graph.OpScale: {Run: w.scale, Overwrites: 1},
		graph.OpLerp:  {Run: w.lerp, Overwrites: 1},
		graph.OpRow:   {Run: w.row},
		graph.OpStack: {Run: w.stack},
		device.OpCopy: {Run: w.copy},

		graph.OpVelocity:     {Run: w.velocity, Overwrites: 1},
		graph.OpLARSVelocity: {Run: w.larsVelocity, Scratch: larsScratch, Overwrites: 1},
		graph.OpDescend:      {Run: w.descend, Overwrites: 1},
		graph.OpCount:        {Run: w.count, Overwrites: 1},
		graph.OpAdamMean:     {Run: w.adamMean, Overwrites: 1},
		graph.OpAdamSquare:   {Run: w.adamSquare, Overwrites: 1},
		graph.OpAdamDescend:  {Run: w.adamDescend, Overwrites: 1},
	}
}
