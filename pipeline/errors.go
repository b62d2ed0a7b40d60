package pipeline

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sourcegraph/conc/panics"
)

// SampleError says why an image is a bad sample: its source could not read it, or a stage returned an error or panicked.
// It is no end of a run: a substitute takes the image's place, see Options.MaxBad.
type SampleError struct {
	ID    uint64 // index in the Source
	Key   string // name within the Source; empty where the Source gave none
	Stage string // name of the stage, or SourceStage
	View  int    // 0 outside Pair, 1 and 2 inside
	Err   error  // the cause; *panics.ErrRecovered of package conc, with the stack, after a panic
}

// A SourceError is one of Source.Read that no single image is to blame for, as where a store does not answer or a file with many images is
// gone. It ends a Batches call: to replace one image after another would change the training in silence.
type SourceError struct{ Err error }

// Error returns the text of the cause.
func (e *SourceError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// endsRun reports whether an error ends a Batches call at once.
func endsRun(err error) bool {
	var e *SourceError
	return errors.As(err, &e)
}

// SourceStage stands for the Source in SampleError.Stage and StageStats.Name.
const SourceStage = "Source"

// Error returns one line, without the stack of a panic.
func (e *SampleError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sample %d", e.ID)
	if e.Key != "" {
		fmt.Fprintf(&b, " (%s)", e.Key)
	}
	fmt.Fprintf(&b, ", stage %s", e.Stage)
	if e.View > 0 {
		fmt.Fprintf(&b, ", view %d", e.View)
	}
	var p *panics.ErrRecovered
	if errors.As(e.Err, &p) {
		fmt.Fprintf(&b, ": panic: %v", p.Value)
	} else {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *SampleError) Unwrap() error { return e.Err }

// badFloor is the least number of samples that Options.MaxBad is a fraction of.
const badFloor = 1000

// budget counts the bad samples of one Batches call.
type budget struct {
	max       float64
	read, bad int
}

// A TooManyBadError ends a Batches call: more samples were bad than Options.MaxBad allows.
type TooManyBadError struct {
	Bad, Read int     // samples so far
	Max       float64 // Options.MaxBad
	Last      *SampleError
}

// Error says how many samples were bad, and why the last of them was.
func (e *TooManyBadError) Error() string {
	if e.Max < 0 {
		return fmt.Sprintf("pipeline: a bad sample, and Options.MaxBad allows none: %v", e.Last)
	}
	return fmt.Sprintf("pipeline: %d of %d samples are bad, more than Options.MaxBad %g allows; the last: %v", e.Bad, e.Read, e.Max, e.Last)
}

// Unwrap returns the last bad sample.
func (e *TooManyBadError) Unwrap() error { return e.Last }

// spend adds one batch, with its last bad sample, and returns an error when too many have been bad.
func (b *budget) spend(read, bad int, last *SampleError) error {
	b.read += read
	b.bad += bad
	if bad == 0 {
		return nil
	}
	if b.max < 0 || float64(b.bad) > b.max*float64(max(b.read, badFloor)) {
		return &TooManyBadError{Bad: b.bad, Read: b.read, Max: b.max, Last: last}
	}
	return nil
}
