//go:build cgo

package turbo

import (
	"bytes"
	"image"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/goclr/goclr/stages/internal/turbo/turbotest"
)

// checkVerdict holds Check against Decode, with huffman.c and without. It returns whether the file passed.
func checkVerdict(t *testing.T, b []byte, n image.Point) bool {
	t.Helper()
	all := image.Rectangle{Max: n}
	dst := make([]byte, room(all))
	checked := Check(b, n.X, n.Y)
	_, fast, decoded := read(dst, b, all, true)
	if checked == nil && decoded != nil {
		t.Errorf("passes a file that does not decode: %v", decoded)
	}
	if checked != nil && !strings.Contains(checked.Error(), "only a decode") && !strings.Contains(checked.Error(), "its size") &&
		(decoded == nil || decoded.Error() != checked.Error()) {
		t.Errorf("Check says %q, Decode %v, huffman.c taking part: %v", checked, decoded, fast)
	}
	if _, _, plain := read(dst, b, all, false); checked == nil && plain != nil {
		t.Errorf("passes a file that the library itself does not decode: %v", plain)
	}
	return checked == nil
}

// mutate damages a file in one of the ways in which files are damaged, mostly behind its header.
func mutate(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	from := 0
	if r.IntN(4) > 0 {
		from = bytes.LastIndex(b, []byte{0xff, 0xda})
	}
	at := from + r.IntN(len(b)-from)
	span := min(1+r.IntN(40), len(b)-at)
	switch r.IntN(7) {
	case 0: // a bit
		b[at] ^= 1 << r.IntN(8)
	case 1: // some bits
		for range 1 + r.IntN(8) {
			b[from+r.IntN(len(b)-from)] ^= 1 << r.IntN(8)
		}
	case 2: // the rest is missing
		b = b[:at]
	case 3: // the rest is missing, but for the end marker
		b = append(b[:at], 0xff, 0xd9)
	case 4: // some bytes are missing
		b = append(b[:at], b[at+span:]...)
	case 5: // some bytes stand there twice
		b = append(b[:at+span:at+span], b[at:]...)
	case 6: // some bytes are others
		for i := range span {
			b[at+i] = byte(r.Uint32())
		}
	}
	return b
}

// TestCheckJudgesAsDecode damages files of every kind in 30,000 ways.
func TestCheckJudgesAsDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	passed, refused := 0, 0
	judge := func(b []byte, n image.Point) {
		if checkVerdict(t, b, n) {
			passed++
		} else {
			refused++
		}
	}
	for _, n := range []image.Point{{1, 1}, {33, 17}, {65, 50}} {
		for _, o := range inOrder(kinds) {
			for name, s := range inOrder(samplings) {
				for _, quality := range []int{40, 100} { // of few long leaps, and of many codes that are longer than the table
					o.Components, o.Sampling, o.Quality = 3, s, quality
					if name == "4:4:4" {
						o.Components = 1
					}
					b := turbotest.Encode(noise(r, n, o.Components), n.X, n.Y, o)
					judge(b, n)
					for range 60 {
						judge(mutate(r, b), n)
					}
				}
			}
		}
	}
	t.Logf("%d files pass, %d do not", passed, refused)
	if passed < 1000 || refused < 1000 {
		t.Errorf("%d files pass and %d do not: the damage is not what it should be", passed, refused)
	}
}

// TestCheckNeedsNoDecode: files of the usual kinds pass without one.
func TestCheckNeedsNoDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	n := image.Pt(83, 75)
	for name, o := range inOrder(kinds) {
		o.Components, o.Sampling, o.Quality = 3, samplings["4:2:0"], 90
		b := turbotest.Encode(noise(r, n, 3), n.X, n.Y, o)
		if err := Check(b, n.X, n.Y); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := Check(b, n.X, n.Y+1); err == nil {
			t.Errorf("%s: passes as a file of another size", name)
		}
		if err := Check(b[:len(b)-1], n.X, n.Y); err == nil {
			t.Errorf("%s: passes without its last byte", name)
		}
	}
}

// FuzzCheck: what passes decodes.
func FuzzCheck(f *testing.F) {
	r := rand.New(rand.NewPCG(13, 13))
	n := image.Pt(37, 43)
	for _, o := range inOrder(kinds) {
		for _, s := range inOrder(samplings) {
			o.Components, o.Quality, o.Sampling = 3, 60, s
			f.Add(turbotest.Encode(noise(r, n, 3), n.X, n.Y, o))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkVerdict(t, b, n) })
}
