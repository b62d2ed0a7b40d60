package gorgonia

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// A recorder lets a device that can take tapes down, for all programs of a backend.
type recorder struct {
	device device.Recorder // nil where the device cannot
	warn   func(message string)
	broken atomic.Bool // the device cannot after all
	// turn is held by whoever runs kernels: alone while it records, when the device takes down all of them.
	turn sync.RWMutex
}

func newRecorder(d device.Device, warn func(message string)) *recorder {
	r := &recorder{warn: warn}
	r.device, _ = d.(device.Recorder)
	return r
}

// usable reports whether a recording may be tried.
func (r *recorder) usable() bool { return r.device != nil && !r.broken.Load() }

// giveUp records no more, and says so once.
func (r *recorder) giveUp(cause error) {
	if r.broken.CompareAndSwap(false, true) && r.warn != nil {
		r.warn(fmt.Sprintf("the kernels of a step are started one by one instead of all at once, which is slower; another driver may help: %v", cause))
	}
}

// takes is how many recordings a tape keeps: what a program reads and writes changes places with each step, and so do the sums of
// gradients with each Backward.
const takes = 4

// A take is a recording of a tape, with what the calls of its kernels depend on beside the tape itself.
type take struct {
	key       []uintptr
	recording device.Recording // nil while the tape has only run with this key, so that the device has loaded and chosen what it needs
}

func (k *take) close() error {
	if k.recording == nil {
		return nil
	}
	return k.recording.Close()
}

// key is where all values of the tape lie, and how many views there are.
func (t *tape) key() []uintptr {
	key := t.spare[:0]
	add := func(v *value) {
		if v != nil {
			key = append(key, uintptr(v.pointer()))
		}
	}
	for _, o := range t.operators {
		for _, v := range o.operands {
			add(v)
		}
		add(o.scratch)
		add(o.result)
	}
	for _, v := range t.batched {
		key = append(key, uintptr(v.shape[0]))
	}
	t.spare = key
	return key
}

// call runs the tape, or launches a recording of the same. After an error the results are undefined.
func (t *tape) call(ctx context.Context) error {
	switch {
	case t.machine == nil:
		return ctx.Err()
	case t.run.trace != nil || !t.recorder.usable(): // a trace wants each operator
		return t.play(ctx)
	}
	key := t.key()
	i := slices.IndexFunc(t.takes, func(k *take) bool { return slices.Equal(k.key, key) })
	if i < 0 {
		if err := t.play(ctx); err != nil {
			return err
		}
		return t.keep(&take{key: slices.Clone(key)})
	}
	k := t.takes[i]
	t.takes = append(slices.Delete(t.takes, i, i+1), k) // the one used last
	if k.recording == nil {
		if err := t.record(ctx, k); err != nil {
			return t.unrecorded(ctx, err)
		}
	}
	return t.launch(ctx, k)
}

// keep adds a take, for which the one may have to go that was not used for the longest time.
func (t *tape) keep(k *take) error {
	t.takes = append(t.takes, k)
	if len(t.takes) <= takes {
		return nil
	}
	oldest := t.takes[0]
	t.takes = slices.Delete(t.takes, 0, 1)
	return oldest.close()
}

func (t *tape) record(ctx context.Context, k *take) (err error) {
	t.recorder.turn.Lock()
	defer t.recorder.turn.Unlock()
	k.recording, err = t.recorder.device.Record(func() error { return t.runAll(ctx) })
	return err
}

// unrecorded runs the tape after an error of recording it.
func (t *tape) unrecorded(ctx context.Context, cause error) error {
	if err := t.play(ctx); err != nil {
		return err // which has the same cause, or the context's
	}
	t.recorder.giveUp(cause)
	return nil
}

// launch starts a recording, which then runs to its end.
func (t *tape) launch(ctx context.Context, k *take) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := k.recording.Launch(); err != nil {
		return err
	}
	return ctx.Err()
}
