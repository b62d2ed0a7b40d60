package cuda

import (
	"fmt"
	"unsafe"
)

// A cudnn is the library of convolutions.
type cudnn struct {
	cudnnGetVersion         function
	cudnnGetCudartVersion   function
	cudnnGetErrorString     function
	cudnnGetLastErrorString function
	cudnnCreate             function
	cudnnDestroy            function
	cudnnSetStream          function

	cudnnCreateTensorDescriptor       function
	cudnnDestroyTensorDescriptor      function
	cudnnSetTensor4dDescriptor        function
	cudnnCreateFilterDescriptor       function
	cudnnDestroyFilterDescriptor      function
	cudnnSetFilter4dDescriptor        function
	cudnnCreateConvolutionDescriptor  function
	cudnnDestroyConvolutionDescriptor function
	cudnnSetConvolution2dDescriptor   function
	cudnnSetConvolutionMathType       function

	forwardAlgorithms function `symbol:"cudnnGetConvolutionForwardAlgorithm_v7"`
	forwardWorkspace  function `symbol:"cudnnGetConvolutionForwardWorkspaceSize"`
	forwardRun        function `symbol:"cudnnConvolutionForward"`
	inputAlgorithms   function `symbol:"cudnnGetConvolutionBackwardDataAlgorithm_v7"`
	inputWorkspace    function `symbol:"cudnnGetConvolutionBackwardDataWorkspaceSize"`
	inputRun          function `symbol:"cudnnConvolutionBackwardData"`
	filterAlgorithms  function `symbol:"cudnnGetConvolutionBackwardFilterAlgorithm_v7"`
	filterWorkspace   function `symbol:"cudnnGetConvolutionBackwardFilterWorkspaceSize"`
	filterRun         function `symbol:"cudnnConvolutionBackwardFilter"`
}

// newCuDNN takes the functions of an open library.
func newCuDNN(library uintptr) (*cudnn, error) {
	c := &cudnn{}
	return c, bind(library, c)
}

// version is that of the library, 10000 * major + 100 * minor + patch.
func (c *cudnn) version() int { return int(c.cudnnGetVersion.call()) }

// cudaMajor is the major version of CUDA that the library is for.
func (c *cudnn) cudaMajor() int { return int(c.cudnnGetCudartVersion.call()) / 1000 }

// check makes an error of the result of a function, unless that is CUDNN_STATUS_SUCCESS.
func (c *cudnn) check(function string, result uintptr) error {
	code := int32(result)
	if code == 0 {
		return nil
	}
	more := make([]byte, 512)
	c.cudnnGetLastErrorString.call(uintptr(unsafe.Pointer(&more[0])), uintptr(len(more)-1))
	err := fmt.Errorf("%s: %s: %s", function, text(c.cudnnGetErrorString.call(uintptr(code))), untilNUL(more))
	if code == cudnnOutOfMemory {
		return fmt.Errorf("%w: %w", err, errOutOfMemory)
	}
	return err
}

// A direction is one of a convolution and its two gradients. Its functions take two operands, the convolution and the result.
type direction struct {
	name                       string
	algorithms, workspace, run function
}

func (c *cudnn) forward() direction {
	return direction{"Forward", c.forwardAlgorithms, c.forwardWorkspace, c.forwardRun}
}

func (c *cudnn) gradInput() direction {
	return direction{"BackwardData", c.inputAlgorithms, c.inputWorkspace, c.inputRun}
}

func (c *cudnn) gradFilter() direction {
	return direction{"BackwardFilter", c.filterAlgorithms, c.filterWorkspace, c.filterRun}
}
