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

// TestCUDAWithoutAnAlgorithmInOrder has cuDNN know none that repeats to the bit: the error says what to do.
func TestCUDAWithoutAnAlgorithmInOrder(t *testing.T) {
	l := standIn(t)
	l.Set("cudnn_any_order", 1)
	step := func(anyOrder bool) error {
		p, err := openTest(t, backends.Options{Device: "cuda:0", Threads: 1, AnyOrder: anyOrder}).Compile(t.Context(), smallStep())
		if err != nil {
			return err
		}
		t.Cleanup(func() { closeTest(t, p) })
		_, err = p.Step(t.Context(), smallBatch(t, 1), smallRate)
		return err
	}
	wantError(t, step(false), "computes the same bits each time", "-deterministic=false")
	if err := step(true); err != nil {
		t.Error(err)
	}
}
