package kernel

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// noise returns an image of w by h pixels, half of whose levels are at the ends of the range, where lanes would overflow.
func noise(w, h int, r *rand.Rand) []byte {
	pix := make([]byte, 3*w*h)
	for i := range pix {
		switch r.IntN(4) {
		case 0:
			pix[i] = 255
		case 1:
		default:
			pix[i] = byte(r.IntN(256))
		}
	}
	return pix
}

// misaligned returns scratch that begins at an odd address, is not longer than promised and holds what was there before.
func misaligned(n int) []byte { return bytes.Repeat([]byte{99}, n+1)[1 : n+1 : n+1] }

// benchmarkLevels measures f at each level.
func benchmarkLevels(b *testing.B, name string, f func()) {
	defer func(l Level) { current = l }(current)
	for _, current = range Levels() {
		b.Run(name+"/"+current.String(), func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
}
