package cuda

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// A convolution says what is convolved: images [n, channels, height, width] with filters [filters, channels, kernel, kernel] to images
// [n, filters, rows, cols].
type convolution struct {
	n, channels, height, width int
	filters, kernel            int
	rows, cols                 int
	stride, pad                int
}

func (c convolution) String() string {
	return fmt.Sprintf("convolution of [%d %d %d %d] with %d filters of %d by %d at stride %d, padded by %d",
		c.n, c.channels, c.height, c.width, c.filters, c.kernel, c.kernel, c.stride, c.pad)
}

// weights is the number of elements of the filters.
func (c convolution) weights() int { return c.filters * c.channels * c.kernel * c.kernel }

// A convolutionPlan is how cuDNN computes a convolution or a gradient of it.
type convolutionPlan struct {
	direction     direction
	first, second uintptr // descriptors of the operands
	result        uintptr
	convolution   uintptr
	algorithms    []convolutionAlgorithm // that keep to the rules, the best first; none: cuDNN cannot compute it
	refused       error                  // why there is no algorithm, or not the one that was the best
	destroy       []func()
}

// A convolutionAlgorithm is one of cuDNN's, with what it needs.
type convolutionAlgorithm struct {
	number, math int32
	workspace    int  // bytes
	proven       bool // it has computed
}

// workspace is the memory for the best algorithm, and for others as far as they want little.
func (p *convolutionPlan) workspace() int {
	bytes := 0
	for i, a := range p.algorithms {
		if i == 0 || a.workspace <= spareWorkspace {
			bytes = max(bytes, a.workspace)
		}
	}
	return bytes
}

// A cudnnAlgorithm is what cuDNN thinks of an algorithm: cudnnConvolutionFwdAlgoPerf_t and the like of the other directions.
type cudnnAlgorithm struct {
	algorithm   int32
	status      int32
	_           float32 // time
	_           int32
	memory      uint
	determinism int32
	math        int32
	_           [3]int32
	_           int32
}

// mostAlgorithms is more than any direction has.
const mostAlgorithms = 16

// plan describes a convolution to cuDNN and chooses the algorithm that it thinks the fastest of those that keep to the rules: the same
// bits in each run, no more precision given up than asked for, a workspace within the limit unless all want more.
func (v *convolutions) plan(d direction, c convolution) (*convolutionPlan, error) {
	p := &convolutionPlan{direction: d}
	err := v.describe(p, c)
	if err == nil {
		err = v.choose(p)
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("%s of a %v: %w", d.name, c, err)
	}
	return p, nil
}

// describe makes the descriptors.
func (v *convolutions) describe(p *convolutionPlan, c convolution) error {
	x, err := v.images(p, c.n, c.channels, c.height, c.width)
	if err != nil {
		return err
	}
	y, err := v.images(p, c.n, c.filters, c.rows, c.cols)
	if err != nil {
		return err
	}
	w, err := v.create(p, v.cudnnCreateFilterDescriptor, v.cudnnDestroyFilterDescriptor)
	if err != nil {
		return err
	}
	if err := v.check("cudnnSetFilter4dDescriptor", v.cudnnSetFilter4dDescriptor.call(w, v.element(), cudnnNHWC,
		uintptr(c.filters), uintptr(c.channels), uintptr(c.kernel), uintptr(c.kernel))); err != nil {
		return err
	}
	if p.convolution, err = v.create(p, v.cudnnCreateConvolutionDescriptor, v.cudnnDestroyConvolutionDescriptor); err != nil {
		return err
	}
	switch p.direction.run {
	case v.forwardRun:
		p.first, p.second, p.result = x, w, y
	case v.inputRun:
		p.first, p.second, p.result = w, y, x
	case v.filterRun:
		p.first, p.second, p.result = x, y, w
	}
	pad, stride := uintptr(c.pad), uintptr(c.stride)
	if err := v.check("cudnnSetConvolution2dDescriptor", v.cudnnSetConvolution2dDescriptor.call(p.convolution,
		pad, pad, stride, stride, 1, 1, cudnnCrossCorrelation, cudnnFloat)); err != nil {
		return err
	}
	return v.setMath(p, v.math())
}

// images makes the descriptor of images, channels-last.
func (v *convolutions) images(p *convolutionPlan, n, channels, height, width int) (uintptr, error) {
	if most := math.MaxInt32 / (channels * height * width); n > most {
		return 0, fmt.Errorf("images [%d %d %d %d] have 2^31 elements or more, which cuDNN does not take: use a smaller batch, of %d views at most",
			n, channels, height, width, most)
	}
	d, err := v.create(p, v.cudnnCreateTensorDescriptor, v.cudnnDestroyTensorDescriptor)
	if err != nil {
		return 0, err
	}
	return d, v.check("cudnnSetTensor4dDescriptor", v.cudnnSetTensor4dDescriptor.call(d, cudnnNHWC, v.element(),
		uintptr(n), uintptr(channels), uintptr(height), uintptr(width)))
}

// create makes a descriptor of a plan.
func (v *convolutions) create(p *convolutionPlan, create, destroy function) (uintptr, error) {
	var d uintptr
	if err := v.check("creating a descriptor", create.call(uintptr(unsafe.Pointer(&d)))); err != nil {
		return 0, err
	}
	p.destroy = append(p.destroy, func() { destroy.call(d) })
	return d, nil
}

// element is the type of the elements of images and filters.
func (v *convolutions) element() uintptr {
	if v.precision == bf16 {
		return cudnnBFloat16
	}
	return cudnnFloat
}

// math is what cuDNN may do to multiply. Its default takes tensor cores for float32 too, by TF32.
func (v *convolutions) math() int32 {
	switch v.precision {
	case fp32:
		return cudnnFMAMath
	case tf32:
		return cudnnDefaultMath
	}
	return cudnnTensorOpMath
}

func (v *convolutions) setMath(p *convolutionPlan, math int32) error {
	return v.check("cudnnSetConvolutionMathType", v.cudnnSetConvolutionMathType.call(p.convolution, uintptr(math)))
}

// choose takes the algorithms of cuDNN's list that keep to the rules, those that want more memory than the limit last.
func (v *convolutions) choose(p *convolutionPlan) error {
	var count int32
	algorithms := make([]cudnnAlgorithm, mostAlgorithms)
	if err := v.check("cudnnGetConvolution"+p.direction.name+"Algorithm_v7", p.direction.algorithms.call(
		v.handle, p.first, p.second, p.convolution, p.result,
		mostAlgorithms, uintptr(unsafe.Pointer(&count)), uintptr(unsafe.Pointer(&algorithms[0])))); err != nil {
		if errors.Is(err, errOutOfMemory) {
			return err
		}
		p.refused = err
		return nil
	}
	p.refused = fmt.Errorf("none of cuDNN's %d algorithms computes the same bits each time", count)
	var large []convolutionAlgorithm
	for _, a := range algorithms[:count] {
		if a.math == cudnnConversionMath || a.status != 0 || a.determinism != cudnnDeterministic && !v.anyOrder {
			continue
		}
		math := a.math
		if v.precision == fp32 {
			math = cudnnFMAMath
		}
		var size uint
		err := v.setMath(p, math)
		if err == nil {
			err = v.check("cudnnGetConvolution"+p.direction.name+"WorkspaceSize", p.direction.workspace.call(
				v.handle, p.first, p.second, p.convolution, p.result, uintptr(a.algorithm), uintptr(unsafe.Pointer(&size))))
		}
		if err != nil {
			p.refused = err
			continue
		}
		if chosen := (convolutionAlgorithm{number: a.algorithm, math: math, workspace: int(size)}); size > workspaceLimit {
			large = append(large, chosen)
		} else {
			p.algorithms = append(p.algorithms, chosen)
		}
	}
	slices.SortStableFunc(large, func(a, b convolutionAlgorithm) int { return cmp.Compare(a.workspace, b.workspace) })
	p.algorithms = append(p.algorithms, large...)
	if len(p.algorithms) > 0 {
		p.refused = nil
	}
	return nil
}

func (p *convolutionPlan) close() {
	for _, f := range p.destroy {
		f()
	}
}
