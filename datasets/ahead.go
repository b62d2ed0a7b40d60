package datasets

import (
	"context"
	"io"
)

// How many bytes an aheadObject reads at once: in a store a request takes as long as a hundred kilobytes, of a file a page is read anyway.
const (
	leastAhead      = 64 << 10
	leastAheadLocal = 4 << 10
	mostAhead       = 4 << 20
)

// An aheadObject reads an object ahead, so that headers that lie close to one another do not take a request of a store each. The more of what was read
// is used, the more it reads at once. It is used by one goroutine at a time.
type aheadObject struct {
	Object
	window []byte
	from   int64 // offset of window
	ahead  int   // bytes that were read last
	least  int   // of ahead
}

// readAhead returns an object to read from its start on.
func readAhead(o Object) Object {
	least := leastAhead
	if _, local := o.(*localObject); local {
		least = leastAheadLocal
	}
	return &aheadObject{Object: o, ahead: least / 2, least: least}
}

func (o *aheadObject) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if len(p) > mostAhead || offset < 0 || offset > o.Size() {
		return o.Object.ReadAt(ctx, p, offset)
	}
	want := min(int64(len(p)), o.Size()-offset)
	if offset < o.from || offset+want > o.from+int64(len(o.window)) {
		if err := o.fill(ctx, offset, int(want)); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.window[offset-o.from:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// fill moves the window to an offset. The next ones grow where the object is read closely, and shrink where most of it is passed over.
func (o *aheadObject) fill(ctx context.Context, offset int64, want int) error {
	if gap := offset - o.from - int64(len(o.window)); gap <= int64(o.ahead) {
		o.ahead = min(2*o.ahead, mostAhead)
	} else {
		o.ahead = max(o.ahead/2, o.least)
	}
	size := int(min(int64(max(o.ahead, want)), o.Size()-offset))
	if cap(o.window) < size {
		o.window = make([]byte, size)
	}
	o.window, o.from = o.window[:size], offset
	err := readFull(ctx, o.Object, o.window, offset)
	if err != nil {
		o.window = nil
	}
	return err
}
