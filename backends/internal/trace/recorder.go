package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A Recorder writes a trace. It is used by one goroutine at a time; a nil one records nothing.
type Recorder struct {
	file    string   // where the trace belongs
	aside   *os.File // where it grows
	out     *bufio.Writer
	started time.Time
	events  int
	runs    int
	err     error // the first one
}

// NewRecorder begins a trace, which Close puts in its place. With file "" it returns nil.
func NewRecorder(file string) (*Recorder, error) {
	if file == "" {
		return nil, nil
	}
	aside, err := os.CreateTemp(filepath.Dir(file), ".profile-")
	if err != nil {
		return nil, fmt.Errorf("profile of operators %s: %w", file, err)
	}
	return &Recorder{file: file, aside: aside, out: bufio.NewWriter(aside), started: time.Now()}, nil
}

// Run records a run of all operators that began at start and ends now.
func (r *Recorder) Run(start time.Time) {
	if r != nil {
		r.runs++
		r.record(event{Category: runCategory, Name: runName}, start)
	}
}

// Operator records that an operator called name, of a type on a device, began at start and ends now.
func (r *Recorder) Operator(name, operator, device string, start time.Time) {
	if r != nil {
		r.record(event{Category: operatorCategory, Name: name + operatorSuffix, Args: args{operator, device + providerSuffix}}, start)
	}
}

func (r *Recorder) record(e event, start time.Time) {
	microseconds := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	e.Phase, e.Start, e.Duration = "X", microseconds(start.Sub(r.started)), microseconds(time.Since(start))
	separator := ",\n"
	if r.events == 0 {
		separator = "[\n"
	}
	r.events++
	text, err := json.Marshal(e)
	if err == nil {
		_, err = r.out.WriteString(separator + string(text))
	}
	if r.err == nil {
		r.err = err
	}
}

// Close puts the trace where it belongs, and its table beside it. A trace without a complete run is an error, and no file.
func (r *Recorder) Close() error {
	if r == nil {
		return nil
	}
	_, err := r.out.WriteString("\n]\n")
	err = errors.Join(r.err, err, r.out.Flush(), r.aside.Chmod(0o644), r.aside.Close())
	if err == nil && r.runs == 0 {
		err = errNoRun
	}
	if err == nil {
		err = os.Rename(r.aside.Name(), r.file)
	}
	if err != nil {
		os.Remove(r.aside.Name())
	} else {
		err = Summarize(r.file)
	}
	if err != nil {
		return fmt.Errorf("profile of operators %s: %w", r.file, err)
	}
	return nil
}
