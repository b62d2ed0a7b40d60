package cuda

import (
	"errors"
	"math/bits"
	"sync"
	"unsafe"
)

const (
	stagingLeast = 64 << 10  // bytes of a buffer
	stagingMost  = 64 << 20  // bytes of a buffer
	stagingLimit = 256 << 20 // bytes of all buffers
)

// A staging has buffers of memory that the GPU reads by itself, so that a copy need not wait for the work before it in the stream.
type staging struct {
	gpu     *gpu
	mu      sync.Mutex
	buffers []*stagingBuffer // those whose copies are the oldest first
	bytes   int
}

// A stagingBuffer may be filled again when its event has happened.
type stagingBuffer struct {
	address uintptr
	size    int
	event   uintptr
}

// copy copies at least one byte of from, as many as a buffer takes, and returns their number. The context must be current.
func (s *staging) copy(to uintptr, from []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(from), stagingMost)
	b, err := s.free(n)
	if err != nil {
		return 0, err
	}
	n = min(n, b.size)
	copy(unsafe.Slice((*byte)(onDevice(b.address)), n), from)
	g := s.gpu
	if err := g.check("cuMemcpyHtoDAsync", g.cuMemcpyHtoDAsync.call(to, b.address, uintptr(n), g.stream)); err != nil {
		return 0, err
	}
	return n, g.check("cuEventRecord", g.cuEventRecord.call(b.event, g.stream))
}

// free returns a buffer that no copy needs any more, for up to n bytes: one that is ready, else a new one, else the oldest when it is
// ready.
func (s *staging) free(n int) (*stagingBuffer, error) {
	g := s.gpu
	for i, b := range s.buffers {
		if b.size < n {
			continue
		}
		switch code := int32(g.cuEventQuery.call(b.event)); code {
		case 0:
			return s.take(i), nil
		case driverNotReady:
		default:
			return nil, g.check("cuEventQuery", uintptr(code))
		}
	}
	if size := max(stagingLeast, 1<<bits.Len(uint(n-1))); s.bytes+size <= stagingLimit || len(s.buffers) == 0 {
		b, err := s.grow(size)
		if err == nil || len(s.buffers) == 0 {
			return b, err
		}
	}
	largest := 0
	for i, b := range s.buffers {
		if b.size > s.buffers[largest].size {
			largest = i
		}
	}
	b := s.take(largest)
	return b, g.check("cuEventSynchronize", g.cuEventSynchronize.call(b.event))
}

// take moves a buffer behind all others.
func (s *staging) take(i int) *stagingBuffer {
	b := s.buffers[i]
	s.buffers = append(append(s.buffers[:i:i], s.buffers[i+1:]...), b)
	return b
}

// grow makes a new buffer.
func (s *staging) grow(size int) (*stagingBuffer, error) {
	g, b := s.gpu, &stagingBuffer{size: size}
	if err := g.check("cuMemHostAlloc", g.cuMemHostAlloc.call(uintptr(unsafe.Pointer(&b.address)), uintptr(size), 0)); err != nil {
		return nil, err
	}
	if err := g.check("cuEventCreate", g.cuEventCreate.call(uintptr(unsafe.Pointer(&b.event)), eventWithoutTiming)); err != nil {
		return nil, errors.Join(err, g.check("cuMemFreeHost", g.cuMemFreeHost.call(b.address)))
	}
	s.bytes += size
	s.buffers = append(s.buffers, b)
	return b, nil
}

// close frees the buffers. The context must be current and the stream empty.
func (s *staging) close() error {
	var errs []error
	for _, b := range s.buffers {
		errs = append(errs,
			s.gpu.check("cuEventDestroy", s.gpu.cuEventDestroy.call(b.event)),
			s.gpu.check("cuMemFreeHost", s.gpu.cuMemFreeHost.call(b.address)))
	}
	s.buffers, s.bytes = nil, 0
	return errors.Join(errs...)
}
