//go:build !unix

package cpu

import "unsafe"

// pages are memory of Go with room to align it to 64 bytes.
type pages []byte

func allocate(bytes int) (pages, error) { return make([]byte, bytes+63), nil }

func (p pages) Pointer() unsafe.Pointer {
	start := unsafe.Pointer(unsafe.SliceData(p))
	return unsafe.Add(start, -uintptr(start)%64)
}

func (p pages) Free() error { return nil }
