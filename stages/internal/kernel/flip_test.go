package kernel

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestFlip(t *testing.T) {
	for _, c := range []struct {
		pix, want string
		w         int
	}{
		{"abcdefghi" + "ABCDEFGHI", "ghidefabc" + "GHIDEFABC", 3},
		{"abcdef" + "ABCDEF", "defabc" + "DEFABC", 2},
		{"abc" + "def", "abc" + "def", 1},
	} {
		got := []byte(c.pix)
		if Flip(got, c.w); string(got) != c.want {
			t.Errorf("rows of %d pixels: %s becomes %s, want %s", c.w, c.pix, got, c.want)
		}
	}
}

func TestTwoFlipsAreNone(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for w := 1; w < 40; w++ {
		want := noise(w, 3, r)
		got := bytes.Clone(want)
		Flip(got, w)
		if Flip(got, w); !bytes.Equal(got, want) {
			t.Errorf("two flips change rows of %d pixels", w)
		}
	}
}

func BenchmarkFlip(b *testing.B) {
	pix := make([]byte, 3*224*224)
	for b.Loop() {
		Flip(pix, 224)
	}
}
