package kernel

import (
	"bytes"
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

// sameAtEachLevel fails unless f changes pix alike at all levels.
func sameAtEachLevel(t *testing.T, what string, pix []byte, f func(pix []byte)) {
	t.Helper()
	defer func(l Level) { current = l }(current)
	var want []byte
	for _, current = range Levels() {
		got := bytes.Clone(pix)
		f(got)
		if current == Go {
			want = got
		} else if !bytes.Equal(got, want) {
			t.Fatalf("%s: level %v differs from plain Go", what, current)
		}
	}
}
