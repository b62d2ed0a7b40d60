package onnx

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	ort "github.com/yalue/onnxruntime_go"
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
	f, err := os.Open(p.file)
	if err != nil {
		return err
	}
	defer f.Close()
	t, err := readTrace(f)
	if err != nil {
		return err
	}
	return os.WriteFile(p.file+".txt", t.table(), 0o666)
}

// A trace is the sums of ONNX Runtime's trace.
type trace struct {
	runs      int
	total     float64 // ms, of all runs
	operators map[operator]*spent
}

// An operator is one type on one provider.
type operator struct{ name, provider string }

// spent is what all calls of an operator took.
type spent struct {
	calls int
	ms    float64
}

// readTrace sums up a trace in Chrome's format.
func readTrace(r io.Reader) (*trace, error) {
	t := &trace{operators: map[operator]*spent{}}
	d := json.NewDecoder(r)
	if _, err := d.Token(); err != nil { // the bracket of the list
		return nil, err
	}
	for d.More() {
		var e struct {
			Category string  `json:"cat"`
			Name     string  `json:"name"`
			Duration float64 `json:"dur"` // us
			Args     struct {
				Operator string `json:"op_name"`
				Provider string `json:"provider"`
			} `json:"args"`
		}
		if err := d.Decode(&e); err != nil {
			return nil, err
		}
		switch {
		case e.Category == "Session" && e.Name == "model_run":
			t.runs++
			t.total += e.Duration / 1000
		case e.Category == "Node" && strings.HasSuffix(e.Name, "_kernel_time"):
			o := operator{e.Args.Operator, strings.TrimSuffix(e.Args.Provider, "ExecutionProvider")}
			s := t.operators[o]
			if s == nil {
				s = &spent{}
				t.operators[o] = s
			}
			s.calls++
			s.ms += e.Duration / 1000
		}
	}
	if t.runs == 0 {
		return nil, errors.New("the trace has no complete step: take at least one")
	}
	return t, nil
}

// table lists the operators, those that took longest first. What no operator took comes last.
func (t *trace) table() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d steps, %.1f ms each\n\n", t.runs, t.total/float64(t.runs))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "share\ttotal ms\tcalls\tms/step\tcalls/step\t  operator")
	row := func(name string, s spent) {
		runs := float64(t.runs)
		fmt.Fprintf(w, "%.1f %%\t%.1f\t%d\t%.2f\t%.4g\t  %s\n", 100*s.ms/t.total, s.ms, s.calls, s.ms/runs, float64(s.calls)/runs, name)
	}
	rest := spent{ms: t.total}
	names := slices.SortedFunc(maps.Keys(t.operators), func(a, b operator) int {
		return cmp.Or(cmp.Compare(t.operators[b].ms, t.operators[a].ms), cmp.Compare(a.name, b.name), cmp.Compare(a.provider, b.provider))
	})
	for _, o := range names {
		row(o.name+" ("+o.provider+")", *t.operators[o])
		rest.ms -= t.operators[o].ms
	}
	row("outside of operators", rest)
	_ = w.Flush() // a buffer takes all
	return b.Bytes()
}
