package kernel

import (
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
