package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// memory is a stretch of a GPU's memory.
type memory struct {
	gpu     *gpu
	address uintptr
}

// reserve returns memory with whatever is in it, aligned to 256 bytes. Where there is not enough the error is a *device.MemoryError.
func (g *gpu) reserve(bytes int) (*memory, error) {
	m := &memory{gpu: g}
	err := g.do(func() error {
		return g.check("cuMemAlloc", g.cuMemAlloc.call(uintptr(unsafe.Pointer(&m.address)), uintptr(max(1, bytes))))
	})
	if errors.Is(err, errOutOfMemory) {
		return nil, g.shortage(bytes, err)
	}
	if err != nil {
		return nil, fmt.Errorf("allocating %d MiB of the GPU's memory: %w", bytes>>20, err)
	}
	return m, nil
}

// allocate returns zeroed memory.
func (g *gpu) allocate(bytes int) (*memory, error) {
	m, err := g.reserve(bytes)
	if err != nil {
		return nil, err
	}
	err = g.do(func() error {
		return g.check("cuMemsetD8Async", g.cuMemsetD8Async.call(m.address, 0, uintptr(max(1, bytes)), g.stream))
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("zeroing %d MiB of the GPU's memory: %w", bytes>>20, err), m.Free())
	}
	return m, nil
}

// shortage makes a *device.MemoryError of an error for want of so many bytes, or of a number that is not known, 0; other errors, and
// those that are one already, it leaves as they are.
func (g *gpu) shortage(bytes int, err error) error {
	var known *device.MemoryError
	if !errors.Is(err, errOutOfMemory) || errors.As(err, &known) {
		return err
	}
	free, total, _ := g.space()
	return &device.MemoryError{Asked: bytes, Free: int(free), Err: fmt.Errorf("%s of %d MiB, see nvidia-smi: %w", g.name, total>>20, err)}
}

// loadingRoom is the free memory, in bytes, below which a library is taken to fail for want of it, as it may where it loads a kernel.
const loadingRoom = 64 << 20

// cause adds to the error of a library what that may come from: a GPU that is lost, or has hardly any memory left.
func (g *gpu) cause(err error) error {
	if err == nil || errors.Is(err, errOutOfMemory) {
		return err
	}
	switch free, _, lost := g.space(); {
	case lost != nil:
		return fmt.Errorf("%w: %w", err, lost)
	case free < loadingRoom:
		return fmt.Errorf("%w, perhaps: %w", errOutOfMemory, err)
	}
	return err
}

// isFinal says of an error of a library that no other algorithm would do either.
func isFinal(err error) bool {
	var lost *driverError
	return errors.Is(err, errOutOfMemory) || errors.As(err, &lost)
}

// space is how many bytes of the GPU's memory are free, and how many there are.
func (g *gpu) space() (free, total uint, err error) {
	err = g.do(func() error {
		return g.check("cuMemGetInfo", g.cuMemGetInfo.call(uintptr(unsafe.Pointer(&free)), uintptr(unsafe.Pointer(&total))))
	})
	return free, total, err
}

// Pointer is where the memory lies; the host cannot read it.
func (m *memory) Pointer() unsafe.Pointer { return onDevice(m.address) }

// Free gives the memory back, after all work that may use it.
func (m *memory) Free() error {
	if m.address == 0 {
		return nil
	}
	g := m.gpu
	err := g.do(func() error {
		return errors.Join(
			g.check("cuStreamSynchronize", g.cuStreamSynchronize.call(g.stream)),
			g.check("cuMemFree", g.cuMemFree.call(m.address)))
	})
	m.address = 0
	return err
}

// upload copies to the GPU's memory, in the order of the stream. When it returns, from may be changed.
func (g *gpu) upload(to unsafe.Pointer, from []byte) error {
	return g.do(func() error { return g.staging.upload(uintptr(to), from) })
}

// download copies from the GPU's memory, when all work before in the stream is done.
func (g *gpu) download(to []byte, from unsafe.Pointer) error {
	if len(to) == 0 {
		return g.wait()
	}
	err := g.do(func() error {
		if err := g.check("cuMemcpyDtoHAsync", g.cuMemcpyDtoHAsync.call(
			uintptr(unsafe.Pointer(&to[0])), uintptr(from), uintptr(len(to)), g.stream)); err != nil {
			return err
		}
		return g.check("cuStreamSynchronize", g.cuStreamSynchronize.call(g.stream))
	})
	runtime.KeepAlive(to)
	if err != nil {
		return fmt.Errorf("copying %d bytes from the GPU: %w", len(to), err)
	}
	return nil
}
