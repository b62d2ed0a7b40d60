package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// threads is the size of a block, as in the prelude of the kernels.
const threads = 256

// A gpu is one GPU with its memory and a stream, in which all work follows one another but copies to an inbox.
type gpu struct {
	context
	name         string
	major, minor int // of the compute capability
	stream       uintptr
	kernels      uintptr // the stream that kernels start in: stream, but for what Record takes down
	staging      staging // for copies in the stream
	beside       staging // for copies in a stream of their own

	mu        sync.Mutex
	modules   []uintptr
	functions map[string]uintptr // of kernels that were started
}

// openGPU takes a GPU by its number.
func openGPU(d *driver, ordinal int) (*gpu, error) {
	var count, device int32
	if err := d.check("cuDeviceGetCount", d.cuDeviceGetCount.call(uintptr(unsafe.Pointer(&count)))); err != nil {
		return nil, err
	}
	if count == 0 {
		return nil, errNoDevice
	}
	if ordinal < 0 || ordinal >= int(count) {
		return nil, fmt.Errorf("there is no GPU %d: this machine has %d, counted from 0", ordinal, count)
	}
	if err := d.check("cuDeviceGet", d.cuDeviceGet.call(uintptr(unsafe.Pointer(&device)), uintptr(ordinal))); err != nil {
		return nil, err
	}
	c, err := d.retain(device)
	if err != nil {
		return nil, fmt.Errorf("GPU %d cannot be used, perhaps since its memory is full: see nvidia-smi: %w", ordinal, err)
	}
	g := &gpu{context: c, functions: map[string]uintptr{}}
	if err := g.do(g.describe); err != nil {
		return nil, errors.Join(err, c.release())
	}
	return g, nil
}

// describe asks for the GPU's properties and makes the streams.
func (g *gpu) describe() error {
	name := make([]byte, 256)
	if err := g.check("cuDeviceGetName", g.cuDeviceGetName.call(
		uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)-1), uintptr(g.device))); err != nil {
		return err
	}
	g.name = untilNUL(name)
	for attribute, to := range map[uintptr]*int{capabilityMajor: &g.major, capabilityMinor: &g.minor} {
		var v int32
		if err := g.check("cuDeviceGetAttribute", g.cuDeviceGetAttribute.call(
			uintptr(unsafe.Pointer(&v)), attribute, uintptr(g.device))); err != nil {
			return err
		}
		*to = int(v)
	}
	if err := g.staging.open(g); err != nil {
		return err
	}
	g.stream = g.staging.stream
	g.kernels = g.stream
	if err := g.beside.open(g); err != nil {
		return errors.Join(err, g.staging.close())
	}
	return nil
}

// newStream makes a stream, which does not wait for the default one of the context. The context must be current.
func (g *gpu) newStream(stream *uintptr) error {
	return g.check("cuStreamCreate", g.cuStreamCreate.call(uintptr(unsafe.Pointer(stream)), streamNonBlocking))
}

// load takes the kernels of a compiled program: machine code, or PTX.
func (g *gpu) load(code []byte) error {
	return g.do(func() error {
		var module uintptr
		if err := g.check("cuModuleLoadData", g.cuModuleLoadData.call(
			uintptr(unsafe.Pointer(&module)), uintptr(unsafe.Pointer(&code[0])))); err != nil {
			return err
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.modules = append(g.modules, module)
		return nil
	})
}

// launch starts a kernel: see launcher. Errors of the kernel itself come with a later call that waits for it.
func (g *gpu) launch(kernel string, x, y int, arguments unsafe.Pointer) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := g.enter(); err != nil {
		return err
	}
	f, err := g.find(kernel)
	if err != nil {
		return err
	}
	parameters := [1]unsafe.Pointer{arguments}
	if err := g.check("cuLaunchKernel", g.cuLaunchKernel.call(
		f, uintptr(x), uintptr(y), 1, threads, 1, 1, 0, g.kernels, uintptr(unsafe.Pointer(&parameters)), 0)); err != nil {
		return fmt.Errorf("kernel %s with %d by %d blocks: %w", kernel, x, y, err)
	}
	return nil
}

// find returns the function of a kernel, whichever module has it.
func (g *gpu) find(kernel string) (uintptr, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f, ok := g.functions[kernel]; ok {
		return f, nil
	}
	name := cString(kernel)
	for _, module := range g.modules {
		var f uintptr
		err := g.check("cuModuleGetFunction", g.cuModuleGetFunction.call(
			uintptr(unsafe.Pointer(&f)), module, uintptr(unsafe.Pointer(&name[0]))))
		if err == nil {
			g.functions[kernel] = f
			return f, nil
		}
		var e *driverError
		if !errors.As(err, &e) || e.code != driverNotFound {
			return 0, fmt.Errorf("kernel %s: %w", kernel, err)
		}
	}
	return 0, fmt.Errorf("no module has a kernel %s", kernel)
}

// wait returns when all work in the stream is done, with the error of any of it.
func (g *gpu) wait() error {
	return g.do(func() error { return g.check("cuStreamSynchronize", g.cuStreamSynchronize.call(g.stream)) })
}

// close waits for the work in the streams and gives everything back.
func (g *gpu) close() error {
	err := g.do(func() error {
		errs := []error{g.beside.close(), g.staging.close()}
		for _, module := range g.modules {
			errs = append(errs, g.check("cuModuleUnload", g.cuModuleUnload.call(module)))
		}
		return errors.Join(errs...)
	})
	g.modules, g.functions = nil, nil
	return errors.Join(err, g.release())
}
