package pipeline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Plan is what decides the bytes of every batch, and which rows of it a rank makes: two pipelines of equal plans make equal
// batches, however many workers they have. It is meant to be kept as JSON beside the weights of a run, to be compared when
// the run is resumed.
type Plan struct {
	Version  int           `json:"version"` // of engine and kernels; a change means other bytes for the same plan
	Source   string        `json:"source"`  // Fingerprint of the source, or else the name of its type
	Images   int           `json:"images"`
	Seed     uint64        `json:"seed"`
	Batch    int           `json:"batch"`
	World    int           `json:"world"`
	Ordered  bool          `json:"ordered"`
	KeepTail bool          `json:"keep_tail"`
	Window   int           `json:"window,omitempty"` // 0: all images are shuffled among each other
	Stages   []PlanStage   `json:"stages"`           // run once a sample
	Views    [][]PlanStage `json:"views,omitempty"`  // run once a view; empty without Pair
}

// PlanStage is a stage of a plan. Params are the exported fields of its type that have a value in JSON.
type PlanStage struct {
	Name        string                     `json:"name"`
	Fingerprint string                     `json:"fingerprint,omitempty"` // of a stage that is a Fingerprinter
	Params      map[string]json.RawMessage `json:"params,omitempty"`
}

// planVersion goes up with each change of the engine or of the stages' kernels that changes the bytes of a batch.
const planVersion = 2

func newPlan(src Source, images int, o Options, c *chains) (Plan, error) {
	p := Plan{
		Version: planVersion, Source: describeSource(src), Images: images, Seed: o.Seed,
		Batch: o.Batch, World: o.World, Ordered: o.Ordered, KeepTail: o.KeepTail, Window: o.Window,
	}
	var err error
	if p.Stages, err = planStages(c.base.steps); err != nil {
		return p, err
	}
	for _, c := range c.views {
		view, err := planStages(c.steps)
		if err != nil {
			return p, err
		}
		p.Views = append(p.Views, view)
	}
	return p, nil
}

func planStages(steps []step) ([]PlanStage, error) {
	list := make([]PlanStage, 0, len(steps))
	for _, s := range steps {
		params, err := parameters(s.stage)
		if err != nil {
			return nil, fmt.Errorf("pipeline: stage %s: %w", s.name, err)
		}
		p := PlanStage{Name: s.name, Params: params}
		if f, ok := s.stage.(Fingerprinter); ok {
			p.Fingerprint = f.Fingerprint()
		}
		list = append(list, p)
	}
	return list, nil
}

// Hash returns the SHA-256 of the plan in hexadecimal.
func (p Plan) Hash() string {
	text, err := json.Marshal(p)
	if err != nil { // only for Params that are no JSON, which New does not make
		return "invalid plan: " + err.Error()
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Diff says in one line what p has different from an older plan, naming the first field or stage. It is empty for equal
// plans.
func (p Plan) Diff(old Plan) string {
	for _, f := range []struct {
		name     string
		now, was any
	}{
		{"version of the pipeline", p.Version, old.Version},
		{"source", p.Source, old.Source},
		{"number of images", p.Images, old.Images},
		{"seed", p.Seed, old.Seed},
		{"batch", p.Batch, old.Batch},
		{"world", p.World, old.World},
		{"ordered", p.Ordered, old.Ordered},
		{"keep_tail", p.KeepTail, old.KeepTail},
		{"window", p.window(), old.window()},
	} {
		if f.now != f.was {
			return fmt.Sprintf("%s is %v, was %v", f.name, f.now, f.was)
		}
	}
	if d := diffStages(p.Stages, old.Stages); d != "" {
		return d
	}
	if now, was := max(1, len(p.Views)), max(1, len(old.Views)); now != was {
		return fmt.Sprintf("number of views is %d, was %d", now, was)
	}
	for v := range p.Views {
		if d := diffStages(p.Views[v], old.Views[v]); d != "" {
			return fmt.Sprintf("view %d: %s", v+1, d)
		}
	}
	return ""
}

// window is Window in words.
func (p Plan) window() string {
	if p.Window == 0 {
		return "all images"
	}
	return fmt.Sprintf("%d images", p.Window)
}

func diffStages(now, was []PlanStage) string {
	for i := range max(len(now), len(was)) {
		switch {
		case i >= len(now):
			return fmt.Sprintf("stage %d, %s, is gone", i+1, was[i].Name)
		case i >= len(was):
			return fmt.Sprintf("stage %d, %s, is new", i+1, now[i].Name)
		case now[i].Name != was[i].Name:
			return fmt.Sprintf("stage %d is %s, was %s", i+1, now[i].Name, was[i].Name)
		}
		if d := now[i].diff(was[i]); d != "" {
			return fmt.Sprintf("stage %d, %s: %s", i+1, now[i].Name, d)
		}
	}
	return ""
}

// diff compares two stages of the same name.
func (s PlanStage) diff(was PlanStage) string {
	if s.Fingerprint != was.Fingerprint {
		return fmt.Sprintf("fingerprint is %q, was %q", s.Fingerprint, was.Fingerprint)
	}
	names := slices.Concat(slices.Collect(maps.Keys(s.Params)), slices.Collect(maps.Keys(was.Params)))
	slices.Sort(names)
	for _, name := range names {
		a, b := text(s.Params[name]), text(was.Params[name])
		if a != b {
			return fmt.Sprintf("%s is %s, was %s", name, a, b)
		}
	}
	return ""
}

// text is JSON without the space that an indented file adds, and "unset" for a field that the other plan has alone.
func text(m json.RawMessage) string {
	var b bytes.Buffer
	if m == nil {
		return "unset"
	}
	if err := json.Compact(&b, m); err != nil {
		return string(m)
	}
	return b.String()
}
