//go:build linux

package gorgonia

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
)

// TestCUDAInAnyOrder lets cuDNN choose algorithms that do not repeat to the bit: only on request, and the backend says so.
func TestCUDAInAnyOrder(t *testing.T) {
	for anyOrder, want := range map[bool]string{false: "algorithm 1 ", true: "algorithm 0 "} {
		t.Run(fmt.Sprint(anyOrder), func(t *testing.T) {
			l := standIn(t)
			b := openTest(t, backends.Options{Device: "cuda:0", Threads: 1, AnyOrder: anyOrder})
			stepTest(t, compileTest(t, b, smallStep()), smallBatch(t, 1))
			if got := b.Info().AnyOrder; got != anyOrder {
				t.Errorf("the backend says %t", got)
			}
			seen := 0
			for _, line := range l.Log() {
				if strings.HasPrefix(line, "cudnnConvolution") {
					seen++
					if !strings.Contains(line, want) {
						t.Errorf("%s, want %s", line, want)
					}
				}
			}
			if seen == 0 {
				t.Error("the record has no convolutions")
			}
		})
	}
}

// TestCUDAWithoutAnAlgorithmInOrder has cuDNN know none that repeats to the bit: kernels of goclr's own do, and the user is told once
// what is faster.
func TestCUDAWithoutAnAlgorithmInOrder(t *testing.T) {
	l := standIn(t)
	l.Set("cudnn_any_order", 1)
	var warned []string
	warn := func(message string) { warned = append(warned, message) }
	s := smallStep()
	const steps = 2 * untilRecorded
	var saved [3]backends.Weights
	for i := range saved {
		anyOrder := i == 2
		p := compileTest(t, openTest(t, backends.Options{Device: "cuda:0", Threads: 1, AnyOrder: anyOrder, Warn: warn}), s)
		for k := range uint64(steps) {
			stepTest(t, p, smallBatch(t, k))
		}
		saved[i] = saveTest(t, p)
		want := map[bool]int{false: i + 1, true: 2}[anyOrder]
		if len(warned) != want || !strings.Contains(warned[0], "the same bits each time") || !strings.Contains(warned[0], "-deterministic=false") {
			t.Errorf("backend %d warned of %q", i, warned)
		}
	}
	wantSame(t, "a second training", saved[1], saved[0])
	moved := [2]backends.Weights{difference(saved[0], weightsOf(s, 1), s), difference(saved[2], weightsOf(s, 1), s)}
	if c := cosine(moved[0], moved[1]); c < 0.9999 {
		t.Errorf("the weights moved otherwise than by cuDNN's algorithms: their cosine is %v", c)
	}
}
