package kernel

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// atEachLevel runs f with the kernels of each level in turn.
func atEachLevel(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer func(l Level) { current = l }(current)
	for _, current = range Levels() {
		t.Run(current.String(), f)
	}
}

func TestTheFastestLevelIsInUse(t *testing.T) {
	if want := slices.Max(Levels()); current != want {
		t.Errorf("the kernels run at level %v, want %v", current, want)
	}
}

func TestGrayscaleAtEachLevel(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	atEachLevel(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 2, 15, 33, 1000} {
			got := noise(n, 1, r)
			want := bytes.Clone(got)
			goGrayscale(want)
			if Grayscale(got); !bytes.Equal(got, want) {
				t.Errorf("grayscale of %d pixels differs from plain Go's", n)
			}
		}
	})
}
