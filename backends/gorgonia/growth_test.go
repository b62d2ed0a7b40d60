package gorgonia

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
)

// resident is the memory that the process occupies, in bytes; 0 where the system does not say.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, ok := strings.Cut(string(text), "VmRSS:")
	if !ok {
		return 0
	}
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// TestNoGrowth takes many steps: after the first tenth nothing grows, and a step leaves little to the garbage collector.
func TestNoGrowth(t *testing.T) {
	steps := 1000
	if testing.Short() {
		steps = 100
	}
	for kind, c := range map[string]struct {
		plain bool
		bytes int // allocated by a step at most: twice what was measured on two threads
	}{"vector": {false, 50 << 10}, "plain": {true, 113 << 10}} {
		t.Run(kind, func(t *testing.T) {
			b := openTest(t, backends.Options{Threads: 2, StandardOperators: c.plain})
			if !c.plain && strings.Contains(b.Info().Library, "plain Go") {
				t.Skip("built without cgo, there are no vector kernels")
			}
			p := compileTest(t, b, smallStep())
			batch := smallBatch(t, 1)
			stepsTest(t, steps/10, p, batch)
			before, occupied, goroutines := collect(), resident(t), runtime.NumGoroutine()
			stepsTest(t, steps, p, batch)
			after, occupiedAfter := collect(), resident(t)
			allocated := int(after.TotalAlloc-before.TotalAlloc) / steps
			t.Logf("%d bytes allocated by a step; in %d steps the heap grew by %d, resident memory by %d", allocated, steps,
				int(after.HeapAlloc)-int(before.HeapAlloc), occupiedAfter-occupied)
			// The smallest tensor of a step is a scalar, but the object that holds one takes 100 bytes.
			if grown := int(after.HeapAlloc) - int(before.HeapAlloc); grown > 100*steps+128<<10 {
				t.Errorf("the heap grew by %d bytes", grown)
			}
			// An image of a step takes more than 4 KiB.
			if grown := occupiedAfter - occupied; grown > 4<<10*steps+4<<20 {
				t.Errorf("resident memory grew by %d bytes", grown)
			}
			if allocated > c.bytes {
				t.Errorf("a step allocates %d bytes, allowed are %d", allocated, c.bytes)
			}
			for runtime.NumGoroutine() > goroutines { // one is counted a little longer than it is waited for
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
}

// stepsTest takes steps. It collects garbage so often that the first tenth of a test's steps leaves as much of it lying as all others.
func stepsTest(t *testing.T, steps int, p backends.Program, batch arrow.Record) {
	t.Helper()
	for i := range steps {
		if i%10 == 0 {
			runtime.GC()
		}
		stepTest(t, p, batch)
	}
}

// collect is what memory there is without garbage.
func collect() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC() // what finalizers have let go
	runtime.ReadMemStats(&m)
	return m
}
