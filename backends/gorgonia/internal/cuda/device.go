package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// Options choose a GPU and how it computes.
type Options struct {
	Ordinal   int    // of the GPU, from 0
	Precision string // "fp32" or "" for it, "tf32", "bf16"
	AnyOrder  bool   // sums may be taken in another order each time

	Warn func(message string) // of what is slower than it might be; may be nil
}

// A Device computes on a GPU.
type Device struct {
	gpu          *gpu
	convolutions *convolutions
	products     *products
	precision    precision
	kernels      map[graph.Op]device.Kernel
	library      string
}

// Open takes a GPU: it opens the libraries of CUDA and compiles the kernels, which takes some seconds the first time.
func Open(o Options) (_ *Device, err error) {
	p, err := parsePrecision(o.Precision)
	if err != nil {
		return nil, err
	}
	l, err := openLibraries(newFinder(nil))
	if err != nil {
		return nil, err
	}
	d := &Device{precision: p}
	defer func() {
		if err == nil {
			return
		}
		if d.gpu != nil {
			err = d.gpu.shortage(0, err)
		}
		err = errors.Join(err, d.Close())
	}()
	if d.gpu, err = openGPU(l.driver, o.Ordinal); err != nil {
		return nil, err
	}
	if p != fp32 && d.gpu.major < tensorCoreMajor {
		return nil, fmt.Errorf("precision %s needs a GPU of compute capability %d.0 or more, and the %s has %d.%d: leave the precision out",
			o.Precision, tensorCoreMajor, d.gpu.name, d.gpu.major, d.gpu.minor)
	}
	to, err := l.nvrtc.target(d.gpu.major, d.gpu.minor)
	if err != nil {
		return nil, err
	}
	if err := d.loadKernels(l, to); err != nil {
		return nil, err
	}
	if d.convolutions, err = newConvolutions(d.gpu, l.cudnn, p, o.AnyOrder); err != nil {
		return nil, err
	}
	d.convolutions.warn = o.Warn
	if d.products, err = newProducts(d.gpu, l.cublasLt, p); err != nil {
		return nil, err
	}
	d.kernels = byLayout(imageKernels(d.gpu), plainKernels(d.gpu, d.products))
	for op, k := range d.convolutions.kernels() {
		d.kernels[op] = k
	}
	d.library = fmt.Sprintf("CUDA %d.%d, cuDNN %d, cuBLASLt %d on %s", l.nvrtc.major, l.nvrtc.minor, l.cudnn.version(), l.cublasLt.version(), d.gpu.name)
	if to.virtual { // then the driver's compiler decides the bits too
		version, err := l.driver.version()
		if err != nil {
			return nil, err
		}
		d.library += fmt.Sprintf(", compiled by its driver for CUDA %d.%d from %v", version/1000, version/10%100, to)
	}
	return d, nil
}

// loadKernels compiles the kernels and has the driver take them.
func (d *Device) loadKernels(l *libraries, to target) error {
	codes, err := compiler{l.nvrtc, defaultCache()}.compile(to, d.precision)
	if err != nil {
		return err
	}
	for _, code := range codes {
		if err := d.gpu.load(code); err != nil {
			return d.refusal(l, to, err)
		}
	}
	return nil
}

// refusal adds to the error of a driver that does not take code what to do.
func (d *Device) refusal(l *libraries, to target, err error) error {
	var refused *driverError
	if !to.virtual || !errors.As(err, &refused) {
		return err
	}
	version, unknown := l.driver.version()
	if unknown != nil {
		return errors.Join(err, unknown)
	}
	unable := fmt.Sprintf("the %s has compute capability %d.%d, newer than NVRTC %d.%d, and NVIDIA's driver, which is for CUDA %d.%d, does not compile %v for it",
		d.gpu.name, d.gpu.major, d.gpu.minor, l.nvrtc.major, l.nvrtc.minor, version/1000, version/10%100, to)
	if refused.code == driverPTXVersion {
		return fmt.Errorf("%s, since that is of a newer CUDA: install a newer driver, or name the libraries of CUDA %d.%d or older in %s: %w",
			unable, version/1000, version/10%100, DirectoryVariable, err)
	}
	return fmt.Errorf("%s: name the libraries of a newer CUDA in %s, or install a newer driver: %w", unable, DirectoryVariable, err)
}

func parsePrecision(name string) (precision, error) {
	known := map[string]precision{"": fp32, "fp32": fp32, "tf32": tf32, "bf16": bf16}
	p, ok := known[name]
	if !ok {
		return 0, fmt.Errorf("unknown precision %q: choose fp32, tf32 or bf16", name)
	}
	return p, nil
}

// Library names what computes.
func (d *Device) Library() string { return d.library }

// Kernel returns that of an operation.
func (d *Device) Kernel(op graph.Op) (device.Kernel, bool) {
	k, ok := d.kernels[op]
	run := k.Run
	k.Run = func(c *device.Call) error { return d.gpu.shortage(0, run(c)) }
	return k, ok
}

// LoadsLate says that the driver, cuDNN and cuBLASLt load kernels when these are first started.
func (d *Device) LoadsLate() {}

// Size is the number of bytes of a tensor.
func (d *Device) Size(l device.Layout, shape []int) int {
	switch {
	case l == device.Pixels:
		return graph.Size(shape)
	case l == device.Images && d.precision == bf16:
		return 2 * graph.Size(shape)
	}
	return 4 * graph.Size(shape)
}

// Allocate returns zeroed memory.
func (d *Device) Allocate(bytes int) (device.Memory, error) { return d.gpu.allocate(bytes) }

// Upload copies to the GPU, in the order of what computes there.
func (d *Device) Upload(to unsafe.Pointer, from []byte) error { return d.gpu.upload(to, from) }

// Download waits for what computes before, and copies from the GPU.
func (d *Device) Download(to []byte, from unsafe.Pointer) error { return d.gpu.download(to, from) }

// Close gives the GPU back.
func (d *Device) Close() error {
	var errs []error
	if d.products != nil {
		errs = append(errs, d.products.close())
	}
	if d.convolutions != nil {
		errs = append(errs, d.convolutions.close())
	}
	if d.gpu != nil {
		errs = append(errs, d.gpu.close())
	}
	return errors.Join(errs...)
}
