package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// An inbox is memory of a GPU that is filled in one stream and read in another, each after the other's last use.
type inbox struct {
	*memory
	at     []uintptr // where the parts lie
	filled []int     // bytes of the parts of the last Put
	put    uintptr   // event of the last Put
	taken  uintptr   // event of the last Take
}

// partAlignment is that of the parts of an inbox, as of memory by itself.
const partAlignment = 256

// Inbox returns room for parts of so many bytes, which can be filled while the GPU computes.
func (d *Device) Inbox(parts ...int) (device.Inbox, error) {
	b, err := d.gpu.inbox(parts)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// inbox does nothing in the stream of what computes, as others may use that meanwhile.
func (g *gpu) inbox(parts []int) (_ *inbox, err error) {
	size := 0
	offsets := make([]uintptr, len(parts))
	for i, bytes := range parts {
		offsets[i] = uintptr(size)
		size += (bytes + partAlignment - 1) &^ (partAlignment - 1)
	}
	b := &inbox{}
	if b.memory, err = g.reserve(size); err != nil {
		return nil, err
	}
	for _, offset := range offsets {
		b.at = append(b.at, b.address+offset)
	}
	err = g.do(func() error {
		for _, event := range []*uintptr{&b.put, &b.taken} {
			if err := g.check("cuEventCreate", g.cuEventCreate.call(uintptr(unsafe.Pointer(event)), eventWithoutTiming)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, b.Free())
	}
	return b, nil
}

// Put copies beside the work in the GPU's stream, once the last Take is done.
func (b *inbox) Put(parts [][]byte) error {
	g := b.gpu
	return g.do(func() error {
		if err := g.after(g.beside.stream, b.taken); err != nil {
			return err
		}
		b.filled = b.filled[:0]
		for i, part := range parts {
			if err := g.beside.upload(b.at[i], part); err != nil {
				return err
			}
			b.filled = append(b.filled, len(part))
		}
		return g.check("cuEventRecord", g.cuEventRecord.call(b.put, g.beside.stream))
	})
}

// Take copies what was put, in the order of the GPU's stream.
func (b *inbox) Take(to []unsafe.Pointer) error {
	g := b.gpu
	return g.do(func() error {
		if err := g.after(g.stream, b.put); err != nil {
			return err
		}
		for i, bytes := range b.filled {
			if err := g.check("cuMemcpyDtoDAsync", g.cuMemcpyDtoDAsync.call(uintptr(to[i]), b.at[i], uintptr(bytes), g.stream)); err != nil {
				return fmt.Errorf("copying %d bytes that were taken in: %w", bytes, err)
			}
		}
		return g.check("cuEventRecord", g.cuEventRecord.call(b.taken, g.stream))
	})
}

// after makes what is started in a stream from now on wait for an event.
func (g *gpu) after(stream, event uintptr) error {
	return g.check("cuStreamWaitEvent", g.cuStreamWaitEvent.call(stream, event, 0))
}

// Free gives the memory back, after all work that may use it.
func (b *inbox) Free() error {
	g := b.gpu
	err := g.do(func() error {
		errs := []error{g.check("cuStreamSynchronize", g.cuStreamSynchronize.call(g.beside.stream))}
		for _, event := range []*uintptr{&b.put, &b.taken} {
			if *event != 0 {
				errs = append(errs, g.check("cuEventDestroy", g.cuEventDestroy.call(*event)))
				*event = 0
			}
		}
		return errors.Join(errs...)
	})
	return errors.Join(err, b.memory.Free())
}
