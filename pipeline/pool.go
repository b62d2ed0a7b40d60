package pipeline

import (
	"sync"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// A pool is an Allocator that keeps blocks that are freed for the next batch: fresh memory costs a page fault for every 4 KiB,
// which is more than the stages of a small image. It keeps no more than it was ever asked for at once.
type pool struct {
	memory.Allocator

	mu     sync.Mutex
	free   [][]byte
	closed bool
}

// Allocate returns a block that was freed, of arbitrary content, or a new one.
func (p *pool) Allocate(size int) []byte {
	p.mu.Lock()
	for i, b := range p.free {
		if len(b) == size {
			last := len(p.free) - 1
			p.free[i] = p.free[last]
			p.free = p.free[:last]
			p.mu.Unlock()
			return b
		}
	}
	p.mu.Unlock()
	return p.Allocator.Allocate(size)
}

// Free keeps the block, or frees it once the pool is closed.
func (p *pool) Free(b []byte) {
	p.mu.Lock()
	if !p.closed {
		p.free = append(p.free, b)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.Allocator.Free(b)
}

// close frees the blocks that the pool keeps. Those of records that somebody retains are freed with them.
func (p *pool) close() {
	p.mu.Lock()
	free := p.free
	p.free, p.closed = nil, true
	p.mu.Unlock()
	for _, b := range free {
		p.Allocator.Free(b)
	}
}
