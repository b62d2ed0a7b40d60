package cache

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"
)

// TestExtents compares the account of what was written with a map of bytes.
func TestExtents(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for range 300 {
		size := random.IntN(40)
		written := make([]bool, size)
		x := &extents{file: file, size: int64(size)}
		for range random.IntN(30) {
			begin := random.IntN(size + 1)
			end := begin + random.IntN(min(size-begin, 8)+1)
			if _, err := x.WriteAt(make([]byte, end-begin), int64(begin)); err != nil {
				t.Fatal(err)
			}
			for i := begin; i < end; i++ {
				written[i] = true
			}
			var want []extent
			for i, w := range written {
				switch {
				case !w:
				case i > 0 && written[i-1]:
					want[len(want)-1].end++
				default:
					want = append(want, extent{int64(i), int64(i) + 1})
				}
			}
			if len(want) != len(x.written) {
				t.Fatalf("%v, want %v", x.written, want)
			}
			for i := range want {
				if want[i] != x.written[i] {
					t.Fatalf("%v, want %v", x.written, want)
				}
			}
		}
		complete := true
		for _, w := range written {
			complete = complete && w
		}
		if err := x.end(); (err == nil) != complete || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%v of %d: %v", x.written, size, err)
		}
	}
}
