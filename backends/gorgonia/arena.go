package gorgonia

import (
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// An arena is one stretch of a device's memory, for many values. It may grow while nothing that it holds is needed.
type arena struct {
	device device.Device
	size   int
	memory device.Memory // nil while there is none
}

func (a *arena) base() unsafe.Pointer { return a.memory.Pointer() }

// grow makes the arena hold at least size bytes. What it held is lost if it has to move, and after an error it holds nothing until
// it has grown again.
func (a *arena) grow(size int) error {
	size = max(size, alignment) // a device need not have memory of no bytes
	if a.memory != nil && size <= a.size {
		return nil
	}
	if err := a.free(); err != nil {
		return err
	}
	memory, err := a.device.Allocate(size)
	if err != nil {
		return err
	}
	a.memory, a.size = memory, size
	return nil
}

func (a *arena) free() error {
	if a.memory == nil {
		return nil
	}
	memory := a.memory
	a.memory, a.size = nil, 0
	return memory.Free()
}
