package gorgonia

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// A stager is a program that trains on a device.Receiver.
type stager struct{ *program }

var _ backends.Stager = stager{}

func (s stager) Stage(ctx context.Context, batch arrow.Record) error {
	if err := s.stage(ctx, batch); err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	return nil
}

// stage may run beside all but close, so of the tape it looks only at what never changes.
func (p *program) stage(ctx context.Context, batch arrow.Record) error {
	if p.closed {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := p.train.read(batch, backends.Train)
	if err != nil {
		return err
	}
	return p.ahead.put(batch, in)
}

// ahead are batches that a device has taken in for steps to come. They are known by their records, whose memory is not kept.
type ahead struct {
	device  device.Receiver
	warn    func(message string) // may be nil
	refused bool                 // there was no memory

	lock  sync.Mutex
	trays []*tray // those filled the longest ago first; none until they are needed
}

// A tray takes in a batch.
type tray struct {
	batch arrow.Record // nil: none
	inbox device.Inbox
}

// put takes a batch in. Where the device has no memory for that, it does nothing.
func (a *ahead) put(batch arrow.Record, in input) error {
	if a.trays == nil && !a.refused {
		if err := a.allocate(in.parts); err != nil {
			return err
		}
	}
	if a.refused {
		return nil
	}
	p := a.vacate()
	if err := p.inbox.Put(in.parts); err != nil {
		return err
	}
	a.lock.Lock()
	defer a.lock.Unlock()
	p.batch = batch
	return nil
}

// trays is how many a program has: one for the batch that a step is about to take, and one for the batch after it.
const trays = 2

// allocate makes the trays.
func (a *ahead) allocate(parts [][]byte) error {
	var sizes []int
	for _, part := range parts {
		sizes = append(sizes, len(part))
	}
	var made []*tray
	for range trays {
		inbox, err := a.device.Inbox(sizes...)
		if memory := (*device.MemoryError)(nil); errors.As(err, &memory) {
			a.refused = true
			if a.warn != nil {
				a.warn(fmt.Sprintf("each batch is copied to the device when its step begins, not before: %v", err))
			}
			return free(made)
		}
		if err != nil {
			return errors.Join(err, free(made))
		}
		made = append(made, &tray{inbox: inbox})
	}
	a.lock.Lock()
	defer a.lock.Unlock()
	a.trays = made
	return nil
}

// vacate returns the tray to fill: an empty one, or that of the batch which has waited longest.
func (a *ahead) vacate() *tray {
	a.lock.Lock()
	defer a.lock.Unlock()
	i := max(0, slices.IndexFunc(a.trays, func(p *tray) bool { return p.batch == nil }))
	p := a.trays[i]
	p.batch = nil
	a.trays = append(slices.Delete(a.trays, i, i+1), p)
	return p
}

// take copies a batch to where a tape reads it; ok is false where it was not taken in. Its tray is then empty.
func (a *ahead) take(batch arrow.Record, t *tape) (ok bool, err error) {
	if a == nil {
		return false, nil
	}
	a.lock.Lock()
	defer a.lock.Unlock()
	for _, p := range a.trays {
		if p.batch == batch {
			p.batch = nil
			return true, p.inbox.Take(t.inputs())
		}
	}
	return false, nil
}

func (a *ahead) free() error {
	if a == nil {
		return nil
	}
	return free(a.trays)
}

func free(trays []*tray) error {
	var errs []error
	for _, p := range trays {
		errs = append(errs, p.inbox.Free())
	}
	return errors.Join(errs...)
}
