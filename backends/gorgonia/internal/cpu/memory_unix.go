//go:build unix

package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// pages are mapped memory, which becomes real page by page where it is written.
type pages []byte

func allocate(bytes int) (pages, error) {
	return unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

func (p pages) Pointer() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(p)) }

func (p pages) Free() error { return unix.Munmap(p) }
