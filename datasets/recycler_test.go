package datasets

import (
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// TestRecycler gives a large buffer back and gets it again, and all of it is given back in the end.
func TestRecycler(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	r := &recycler{Allocator: mem}
	large := r.Allocate(3 << 20)
	large = r.Reallocate(2<<20, large)
	small := r.Allocate(100)
	r.Free(large)
	r.Free(small)
	if again := r.Allocate(4 << 20); &again[0] == &large[0] {
		t.Error("a buffer that is too small came back")
	} else {
		r.Free(again)
	}
	again := r.Allocate(4<<20 - 1)
	if len(again) != 4<<20-1 || r.kept != nil {
		t.Errorf("%d bytes, %d kept", len(again), len(r.kept))
	}
	r.Free(again)
	third := r.Allocate(2 << 20)
	if &third[0] != &again[0] || len(third) != 2<<20 {
		t.Error("the buffer did not come back")
	}
	r.Free(third)
	r.close()
	mem.AssertSize(t, 0)
}
