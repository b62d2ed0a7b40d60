//go:build unix

package kernel

import (
	"math/rand/v2"
	"syscall"
	"testing"
)

// fenced returns n bytes of memory that end, or if first begin, where there is none: to go one byte too far ends the test program.
func fenced(t *testing.T, n int, first bool) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	size := (n + page - 1) / page * page
	m, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(m) })
	for _, fence := range [][]byte{m[:page], m[page+size:]} {
		if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	if first {
		return m[page:][:n:n]
	}
	return m[page+size-n:][:n:n]
}

// C checks no bounds.
func TestKernelsStayInTheirMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	atEachLevel(t, func(t *testing.T) {
		for i := range 60 {
			first := i%2 == 0
			srcW, srcH, w, h := 1+r.IntN(70), 1+r.IntN(70), 1+r.IntN(70), 1+r.IntN(70)
			src, dst := fenced(t, 3*srcW*srcH, first), fenced(t, 3*w*h, first)
			box := Rect{W: srcW, H: srcH}
			for _, f := range filters {
				Resize(dst, w, h, src, srcW, box, f, false, fenced(t, ResizeScratch(box, w, h, f), first))
			}
			radius := 1 + r.IntN(MaxBlurRadius)
			Blur(dst, w, h, radius, 0.5+20*r.Float64(), Zero, fenced(t, BlurScratch(w, radius), first))
		}
	})
}
