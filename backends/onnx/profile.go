package onnx

import (
	"fmt"
	"os"
	"path/filepath"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/goclr/goclr/backends/internal/trace"
)

// A profile is where ONNX Runtime writes when each operator of a session ran: it chooses the name of the file itself, and
// writes it when the session ends. It records a million events and then no more, an event for each operator of each run.
type profile struct {
	file   string // where the trace belongs
	folder string // where ONNX Runtime writes it
}

// newProfile makes the sessions of these options write the trace. With file "" it does nothing and returns nil, which has all
// methods.
func newProfile(file string, o *ort.SessionOptions) (*profile, error) {
	if file == "" {
		return nil, nil
	}
	folder, err := os.MkdirTemp(filepath.Dir(file), ".profile-")
	if err != nil {
		return nil, fmt.Errorf("profile of operators %s: %w", file, err)
	}
	p := &profile{file, folder}
	if err := o.EnableProfiling(filepath.Join(folder, "trace")); err != nil {
		p.discard()
		return nil, fmt.Errorf("profile of operators %s: %w", file, err)
	}
	return p, nil
}

func (p *profile) discard() {
	if p != nil {
		os.RemoveAll(p.folder)
	}
}

// finish puts the trace of the session, which has ended, where it belongs, and the table of it beside.
func (p *profile) finish() (err error) {
	if p == nil {
		return nil
	}
	defer p.discard()
	defer func() {
		if err != nil {
			err = fmt.Errorf("profile of operators %s: %w", p.file, err)
		}
	}()
	traces, err := filepath.Glob(filepath.Join(p.folder, "trace*.json"))
	if err != nil {
		return err
	}
	if len(traces) != 1 {
		return fmt.Errorf("ONNX Runtime has written %d traces instead of one", len(traces))
	}
	if err := os.Rename(traces[0], p.file); err != nil {
		return err
	}
	return trace.Summarize(p.file)
}
