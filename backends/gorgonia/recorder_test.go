package gorgonia

import (
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/gorgonia/internal/cpu"
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// untilRecorded is how many steps a program takes before all that follow are launched from recordings: its weights lie in one of two
// places, and a tape runs once for each before it is recorded.
const untilRecorded = 4

// A witness is a device on the CPU that does at once what it is to record, so that there is nothing left to launch.
type witness struct {
	*faulty
	record func() // is called when a recording begins
}

func (d *witness) Record(f func() error) (device.Recording, error) {
	d.record()
	return d, f()
}

func (d *witness) Launch() error { return nil }
func (d *witness) Close() error  { return nil } // the device below stays

// TestKernelsRunInTurn wants whoever runs kernels to hold the turn, and whoever records to hold it alone: a device would take down the
// kernels of another program too.
func TestKernelsRunInTurn(t *testing.T) {
	s := smallStep()
	d := &witness{faulty: newFaulty(t, cpu.Options{Threads: 1})}
	b := newBackend(d, "witness", backends.Options{Threads: 1})
	t.Cleanup(func() { closeTest(t, b); closeTest(t, d.faulty) })
	kernels, recordings := map[graph.Op]int{}, 0
	d.before = func(op graph.Op) error {
		kernels[op]++
		if b.recorder.turn.TryLock() {
			b.recorder.turn.Unlock()
			t.Errorf("%s ran out of turn", op)
		}
		return nil
	}
	d.record = func() {
		recordings++
		if b.recorder.turn.TryRLock() {
			b.recorder.turn.RUnlock()
			t.Error("others may run kernels beside a recording")
		}
	}
	p := compileTest(t, b, s)
	for range untilRecorded {
		stepTest(t, p, smallBatch(t, 1))
		for range 2 {
			if err := p.Backward(t.Context(), smallBatch(t, 1), make([]float32, s.Project.Size())); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Update(smallRate); err != nil {
			t.Fatal(err)
		}
	}
	// Of the step, of Backward in two places, and of Update.
	if recordings < 4 || kernels[graph.OpConv] < 30 || kernels[device.OpCopy] < 50 {
		t.Errorf("there were %d recordings and %v", recordings, kernels)
	}
}
