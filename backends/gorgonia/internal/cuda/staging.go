package cuda

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"unsafe"
)

const (
	stagingLeast = 64 << 10  // bytes of a buffer
	stagingMost  = 64 << 20  // bytes of a buffer
	stagingLimit = 256 << 20 // bytes of all buffers
)

// A staging copies to the GPU in a stream. It has buffers of memory that the GPU reads by itself, so that the host need not wait for
// the work before the copy.
type staging struct {
	gpu     *gpu
	stream  uintptr
	mu      sync.Mutex
	buffers []*stagingBuffer // those whose copies are the oldest first
	bytes   int
	most    int // bytes of a buffer, as the host has so much memory to pin
}

// A stagingBuffer may be filled again when its event has happened.
type stagingBuffer struct {
	address uintptr
	size    int
	event   uintptr
}

// open makes the stream. The context must be current, as for the other methods.
func (s *staging) open(g *gpu) error {
	s.gpu, s.most = g, stagingMost
	return g.newStream(&s.stream)
}

// upload copies in the order of the stream. When it returns, from may be changed.
func (s *staging) upload(to uintptr, from []byte) error {
	for done := 0; done < len(from); {
		n, err := s.copy(to+uintptr(done), from[done:])
		if err != nil {
			return fmt.Errorf("copying %d bytes to the GPU: %w", len(from), err)
		}
		done += n
	}
	return nil
}

// copy copies at least one byte of from, as many as a buffer takes, and returns their number.
func (s *staging) copy(to uintptr, from []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.buffer(len(from))
	if err != nil {
		return 0, err
	}
	n := min(len(from), b.size)
	copy(unsafe.Slice((*byte)(onDevice(b.address)), n), from)
	g := s.gpu
	if err := g.check("cuMemcpyHtoDAsync", g.cuMemcpyHtoDAsync.call(to, b.address, uintptr(n), s.stream)); err != nil {
		return 0, err
	}
	return n, g.check("cuEventRecord", g.cuEventRecord.call(b.event, s.stream))
}

// buffer returns one that no copy needs any more, for n bytes or as many as a buffer may have: one that is ready, else a new one, else
// the oldest when it is ready. It makes do with smaller ones where the host has too little memory to pin.
func (s *staging) buffer(n int) (*stagingBuffer, error) {
	g := s.gpu
	for {
		n = min(n, s.most)
		oldest := -1
		for i, b := range s.buffers {
			if b.size < n {
				continue
			}
			switch code := int32(g.cuEventQuery.call(b.event)); {
			case code == 0:
				return s.take(i), nil
			case code != driverNotReady:
				return nil, g.check("cuEventQuery", uintptr(code))
			case oldest < 0:
				oldest = i
			}
		}
		size := max(stagingLeast, 1<<bits.Len(uint(n-1)))
		if oldest < 0 || s.bytes+size <= stagingLimit {
			b, err := s.grow(size)
			if err == nil {
				return b, nil
			}
			if oldest < 0 && size == stagingLeast {
				return nil, err
			}
		}
		if oldest >= 0 {
			b := s.take(oldest)
			return b, g.check("cuEventSynchronize", g.cuEventSynchronize.call(b.event))
		}
		s.most = size / 2
	}
}

// take moves a buffer behind all others.
func (s *staging) take(i int) *stagingBuffer {
	b := s.buffers[i]
	s.buffers = append(slices.Delete(s.buffers, i, i+1), b)
	return b
}

// grow makes a new buffer.
func (s *staging) grow(size int) (*stagingBuffer, error) {
	g, b := s.gpu, &stagingBuffer{size: size}
	if err := g.check("cuMemHostAlloc", g.cuMemHostAlloc.call(uintptr(unsafe.Pointer(&b.address)), uintptr(size), 0)); err != nil {
		return nil, fmt.Errorf("%d KiB of the host's memory cannot be pinned for copies: free some of it, or raise the limit of locked memory (ulimit -l): %w", size>>10, err)
	}
	if err := g.check("cuEventCreate", g.cuEventCreate.call(uintptr(unsafe.Pointer(&b.event)), eventWithoutTiming)); err != nil {
		return nil, errors.Join(err, g.check("cuMemFreeHost", g.cuMemFreeHost.call(b.address)))
	}
	s.bytes += size
	s.buffers = append(s.buffers, b)
	return b, nil
}

// close waits for the stream, and gives it and the buffers back.
func (s *staging) close() error {
	if s.stream == 0 {
		return nil
	}
	g := s.gpu
	errs := []error{g.check("cuStreamSynchronize", g.cuStreamSynchronize.call(s.stream))}
	for _, b := range s.buffers {
		errs = append(errs,
			g.check("cuEventDestroy", g.cuEventDestroy.call(b.event)),
			g.check("cuMemFreeHost", g.cuMemFreeHost.call(b.address)))
	}
	errs = append(errs, g.check("cuStreamDestroy", g.cuStreamDestroy.call(s.stream)))
	s.buffers, s.bytes, s.stream = nil, 0, 0
	return errors.Join(errs...)
}
