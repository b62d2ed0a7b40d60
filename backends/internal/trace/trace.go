// Package trace reads and writes traces of operators in Chrome's format (chrome://tracing, Perfetto), as ONNX Runtime has them: an
// event for each run of a model and for each of its operators.
package trace

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// Summarize writes the table of a trace in a file beside it, as the same name with .txt.
func Summarize(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	t, err := read(f)
	if err != nil {
		return err
	}
	return os.WriteFile(file+".txt", t.table(), 0o666)
}

// Names of events.
const (
	runCategory, runName = "Session", "model_run"
	operatorCategory     = "Node"
	operatorSuffix       = "_kernel_time"
	providerSuffix       = "ExecutionProvider"
)

// An event has what read needs of one, and what a viewer does.
type event struct {
	Category string  `json:"cat"`
	Name     string  `json:"name"`
	Phase    string  `json:"ph"`
	Process  int     `json:"pid"`
	Thread   int     `json:"tid"`
	Start    float64 `json:"ts"`  // us
	Duration float64 `json:"dur"` // us
	Args     args    `json:"args"`
}

type args struct {
	Operator string `json:"op_name,omitempty"`
	Provider string `json:"provider,omitempty"`
}

// A trace is the sums of its events.
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

var errNoRun = errors.New("the trace has no complete step: take at least one")

// read sums up a trace.
func read(r io.Reader) (*trace, error) {
	t := &trace{operators: map[operator]*spent{}}
	d := json.NewDecoder(r)
	if _, err := d.Token(); err != nil { // the bracket of the list
		return nil, err
	}
	for d.More() {
		var e event
		if err := d.Decode(&e); err != nil {
			return nil, err
		}
		switch {
		case e.Category == runCategory && e.Name == runName:
			t.runs++
			t.total += e.Duration / 1000
		case e.Category == operatorCategory && strings.HasSuffix(e.Name, operatorSuffix):
			o := operator{e.Args.Operator, strings.TrimSuffix(e.Args.Provider, providerSuffix)}
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
		return nil, errNoRun
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
