package datasets

import "github.com/apache/arrow/go/v17/arrow/memory"

// A recycler is an allocator that keeps the largest buffer given back for whoever wants one next: the images of one batch after the other,
// which would else be garbage of 8 MiB each. It is for one goroutine at a time.
type recycler struct {
	memory.Allocator
	kept []byte
}

// worthKeeping is the size in bytes of the smallest buffer that is kept.
const worthKeeping = 1 << 20

// Allocate implements memory.Allocator. What the buffer holds is arbitrary.
func (r *recycler) Allocate(size int) []byte {
	if size < worthKeeping || size > cap(r.kept) {
		return r.Allocator.Allocate(size)
	}
	b := r.kept
	r.kept = nil
	return r.Reallocate(size, b)
}

// Free implements memory.Allocator.
func (r *recycler) Free(b []byte) {
	if len(b) > 0 && cap(b) >= worthKeeping && cap(b) > cap(r.kept) {
		b, r.kept = r.kept, b
	}
	if b != nil {
		r.Allocator.Free(b)
	}
}

// close gives back what is kept.
func (r *recycler) close() {
	if r.kept != nil {
		r.Allocator.Free(r.kept)
		r.kept = nil
	}
}
