package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"
)

// A driver is the library of CUDA's driver.
type driver struct {
	cuInit             function
	cuDriverGetVersion function
	cuGetErrorName     function
	cuGetErrorString   function

	cuDeviceGet               function
	cuDeviceGetCount          function
	cuDeviceGetName           function
	cuDeviceGetAttribute      function
	cuDevicePrimaryCtxRetain  function
	cuDevicePrimaryCtxRelease function `symbol:"cuDevicePrimaryCtxRelease_v2"`
	cuCtxSetCurrent           function

	cuMemGetInfo      function `symbol:"cuMemGetInfo_v2"`
	cuMemAlloc        function `symbol:"cuMemAlloc_v2"`
	cuMemFree         function `symbol:"cuMemFree_v2"`
	cuMemsetD8Async   function
	cuMemHostAlloc    function
	cuMemFreeHost     function
	cuMemcpyHtoDAsync function `symbol:"cuMemcpyHtoDAsync_v2"`
	cuMemcpyDtoHAsync function `symbol:"cuMemcpyDtoHAsync_v2"`
	cuMemcpyDtoDAsync function `symbol:"cuMemcpyDtoDAsync_v2"`

	cuStreamCreate      function
	cuStreamSynchronize function
	cuStreamDestroy     function `symbol:"cuStreamDestroy_v2"`
	cuStreamWaitEvent   function
	cuEventCreate       function
	cuEventRecord       function
	cuEventQuery        function
	cuEventSynchronize  function
	cuEventDestroy      function `symbol:"cuEventDestroy_v2"`

	cuModuleLoadData    function
	cuModuleUnload      function
	cuModuleGetFunction function
	cuLaunchKernel      function

	cuStreamBeginCapture function `symbol:"cuStreamBeginCapture_v2"`
	cuStreamEndCapture   function
	cuGraphInstantiate   function `symbol:"cuGraphInstantiateWithFlags"`
	cuGraphUpload        function
	cuGraphLaunch        function
	cuGraphExecDestroy   function
	cuGraphDestroy       function
}

// errOutOfMemory is the error of an allocation for which a GPU has no memory left.
var errOutOfMemory = errors.New("out of memory")

// A driverError is a result of a function of the driver other than CUDA_SUCCESS.
type driverError struct {
	function string
	code     int32
	name     string // CUDA_ERROR_...
	meaning  string
}

func (e *driverError) Error() string {
	if e.name == "" {
		return fmt.Sprintf("%s: error %d of CUDA", e.function, e.code)
	}
	text := fmt.Sprintf("%s: %s (%s)", e.function, e.name, e.meaning)
	if e.lost() {
		text += ": the GPU is lost to this process: start it again, from its last checkpoint"
	}
	return text
}

// lost says that all calls fail from now on, until the process ends.
func (e *driverError) lost() bool {
	return slices.Contains([]int32{
		driverECC, driverNVLink, driverAddress, driverTimeout, driverStack, driverInstruction, driverMisaligned, driverAddressSpace,
		driverPC, driverLaunchFailed,
	}, e.code)
}

// Is tells errOutOfMemory from other errors.
func (e *driverError) Is(target error) bool {
	return target == errOutOfMemory && e.code == driverOutOfMemory
}

// check makes an error of the result of a function, unless that is CUDA_SUCCESS.
func (d *driver) check(function string, result uintptr) error {
	code := int32(result)
	if code == 0 {
		return nil
	}
	var name, meaning uintptr
	d.cuGetErrorName.call(uintptr(code), uintptr(unsafe.Pointer(&name)))
	d.cuGetErrorString.call(uintptr(code), uintptr(unsafe.Pointer(&meaning)))
	return &driverError{function: function, code: code, name: text(name), meaning: text(meaning)}
}

// newDriver starts the driver in an open library.
func newDriver(library uintptr) (*driver, error) {
	d := &driver{}
	if err := bind(library, d); err != nil {
		return nil, fmt.Errorf("NVIDIA's driver is too old: %w", err)
	}
	if err := d.check("cuInit", d.cuInit.call(0)); err != nil {
		var e *driverError
		if errors.As(err, &e) && e.code == driverNoDevice {
			return nil, errNoDevice
		}
		return nil, fmt.Errorf("NVIDIA's driver does not start: does nvidia-smi work? %w", err)
	}
	return d, nil
}

// errNoDevice is the error of a machine with the driver, but without a GPU.
var errNoDevice = errors.New("NVIDIA's driver finds no GPU: check nvidia-smi and CUDA_VISIBLE_DEVICES, or use -device cpu")

// version is that of CUDA which the driver supports, 1000 * major + 10 * minor.
func (d *driver) version() (int, error) {
	var v int32
	err := d.check("cuDriverGetVersion", d.cuDriverGetVersion.call(uintptr(unsafe.Pointer(&v))))
	return int(v), err
}

// A context is the state of the driver for one GPU. The driver has a current one for each thread of the operating system.
type context struct {
	*driver
	device int32
	handle uintptr
}

// retain gets the context of a GPU that all of a process share.
func (d *driver) retain(device int32) (context, error) {
	c := context{driver: d, device: device}
	err := d.check("cuDevicePrimaryCtxRetain", d.cuDevicePrimaryCtxRetain.call(uintptr(unsafe.Pointer(&c.handle)), uintptr(device)))
	return c, err
}

// do runs f on a thread where the context is current.
func (c *context) do(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.enter(); err != nil {
		return err
	}
	return f()
}

// enter makes the context current on this thread, to which the goroutine must be locked.
func (c *context) enter() error {
	return c.check("cuCtxSetCurrent", c.cuCtxSetCurrent.call(c.handle))
}

// release gives the context back.
func (c *context) release() error {
	return c.check("cuDevicePrimaryCtxRelease", c.cuDevicePrimaryCtxRelease.call(uintptr(c.device)))
}
