package main

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/onnx"
	"github.com/goclr/goclr/simclr"
)

const (
	swapAfter = 5 * 4 // steps: five epochs
	swapSteps = 20    // on the other backend, whose mean loss counts, and one before
	swapError = 1e-4  // of the loss of the first batch after the swap, relative
	swapMean  = 1e-2  // of that mean, relative
)

// TestSwapBackends trains five epochs on one backend and goes on with another, by -backend alone, and compares with a run that
// never swapped. At sgd's rates, batches as small as these let any two runs part by more than the mean may.
func TestSwapBackends(t *testing.T) {
	if _, err := onnx.FindLibrary(""); err != nil {
		t.Skip(err)
	}
	for i, c := range []struct{ from, to string }{{"onnx", "gorgonia"}, {"gorgonia", "onnx"}} {
		if testing.Short() && i > 0 {
			break
		}
		t.Run("from "+c.from+" to "+c.to, func(t *testing.T) {
			stayed, swapped := t.TempDir(), t.TempDir()
			begin := func(dir string, steps int) []string {
				return []string{
					"-backend", c.from, "-out", dir, "-max-steps", strconv.Itoa(steps), "-data", "synthetic:n=64", "-batch", "16",
					"-image-size", "16", "-epochs", "100", "-optimizer", "lars",
				}
			}
			const end = swapAfter + 1 + swapSteps
			mustPretrain(t, begin(stayed, end)...)
			mustPretrain(t, begin(swapped, swapAfter)...)
			said := mustPretrain(t, "-resume", "-out", swapped, "-backend", c.to, "-max-steps", strconv.Itoa(end))
			if want := "until now the run was computed by " + checkpoint(t, stayed).Backend.Library; !strings.Contains(said, want) {
				t.Errorf("no %q in: %s", want, said)
			}
			if last := checkpoint(t, swapped); last.Step != end || last.Backend.Backend != c.to || last.Settings["backend"] != c.to {
				t.Errorf("the swapped run ends at step %d on %+v with settings %v", last.Step, last.Backend, last.Settings)
			}

			want, got := losses(t, stayed), losses(t, swapped)
			if len(want) != end || len(got) != end {
				t.Fatalf("%d losses of the run that stayed and %d of the other, want %d", len(want), len(got), end)
			}
			first := relative(got[swapAfter], want[swapAfter])
			mean := relative(average(got[swapAfter+1:]), average(want[swapAfter+1:]))
			t.Logf("the first loss is %.6f and off by %.1e, the mean of the next %d is %.4f and off by %.1e",
				got[swapAfter], first, swapSteps, average(got[swapAfter+1:]), mean)
			if !(first <= swapError) || !(mean <= swapMean) {
				t.Errorf("off by more than %g or %g: losses are %v, want %v", swapError, swapMean, got[swapAfter:], want[swapAfter:])
			}
		})
	}
}

// TestSwapLeavesOwnFlags swaps a run that was given what only onnx knows.
func TestSwapLeavesOwnFlags(t *testing.T) {
	library, err := onnx.FindLibrary("")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	mustPretrain(t, small(t, dir, "-max-steps", "1", "-onnxruntime", library, "-provider", "CPU")...)
	mustPretrain(t, "-resume", "-out", dir, "-backend", "gorgonia", "-max-steps", "2")
	said := mustPretrain(t, "-resume", "-out", dir, "-max-steps", "3")
	if last := checkpoint(t, dir); last.Step != 3 || last.Backend.Backend != "gorgonia" || strings.Contains(said, "until now") {
		t.Errorf("the run ends at step %d on %+v: %s", last.Step, last.Backend, said)
	}
}

func mustPretrain(t *testing.T, args ...string) (said string) {
	t.Helper()
	code, said := pretrain(t, args...)
	if code != 0 {
		t.Fatalf("%q: exit code %d: %s", args, code, said)
	}
	return said
}

func checkpoint(t *testing.T, dir string) *simclr.Checkpoint {
	t.Helper()
	c, err := simclr.ReadCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func losses(t *testing.T, dir string) []float64 {
	t.Helper()
	records, err := simclr.ReadMetrics(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []float64
	for _, r := range records {
		all = append(all, float64(*r.Loss))
	}
	return all
}

func average(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func relative(got, want float64) float64 { return math.Abs(got-want) / want }
