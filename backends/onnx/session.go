package onnx

import (
	"context"
	"errors"
	"fmt"

	ort "github.com/yalue/onnxruntime_go"
)

// A session runs one model.
type session struct {
	model    *model
	run      *ort.DynamicAdvancedSession
	provider provider
	own      *registration // of goclr's operators, nil if the model has none
	profile  *profile      // nil for none
}

func newSession(m *model, library string, how settings) (*session, error) {
	options, err := sessionOptions(how)
	if err != nil {
		return nil, fmt.Errorf("set up ONNX Runtime: %w", err)
	}
	defer options.Destroy()
	s := &session{model: m, provider: how.provider}
	if how.own {
		if s.own, err = register(options, library, how.level); err != nil {
			return nil, fmt.Errorf("add goclr's operators to ONNX Runtime: %w", err)
		}
	}
	if s.profile, err = newProfile(how.profile, options); err != nil {
		s.own.release()
		return nil, err
	}
	var in []string
	if m.image != nil {
		in = append(in, inputName(m.image))
	}
	if m.labels != nil {
		in = append(in, inputName(m.labels))
	}
	for i := range m.given {
		in = append(in, givenName(i))
	}
	if m.rate != nil {
		in = append(in, inputName(m.rate))
	}
	for _, n := range m.tensors {
		in = append(in, inputName(n))
	}
	var out []string
	for i := range m.outputs {
		out = append(out, outputName(i))
	}
	err = how.provider.guard(func() (err error) {
		if err := how.provider.addTo(options); err != nil {
			return err
		}
		s.run, err = ort.NewDynamicAdvancedSessionWithONNXData(m.encoded, in, out, options)
		return err
	})
	if err != nil {
		s.own.release()
		s.profile.discard()
		return nil, fmt.Errorf("ONNX Runtime refuses the model: %w", err)
	}
	return s, nil
}

func sessionOptions(how settings) (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	spin := "0"
	if how.spin {
		spin = "1"
	}
	failures := []error{
		o.SetIntraOpNumThreads(how.threads),
		o.SetLogSeverityLevel(ort.LoggingLevelError),
		// Plans all activations into one block, which for a training step takes twice the memory.
		o.SetMemPattern(false),
		o.AddSessionConfigEntry("session.use_env_allocators", "1"), // see shareMemory
		// Threads that spin while idle use a third more CPU for the same step, which others on the machine lose. On a quiet
		// one they are faster: benchmarks/results/step.md.
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", spin),
		// Would store the zeros that a gradient of pooling starts from in the model.
		o.AddSessionConfigEntry("optimization.disable_specified_optimizers", "ConstantFolding"),
	}
	for _, err := range failures {
		if err != nil {
			o.Destroy()
			return nil, err
		}
	}
	return o, nil
}

// call runs the model. The inputs are those that the model has of the views, labels, given values, the rate and its tensors; the
// outputs those of the model, and none of them may be an input. When ctx ends, the run ends after the current operator, with ctx's
// error.
func (s *session) call(ctx context.Context, in, out []ort.Value) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	options, err := ort.NewRunOptions()
	if err != nil {
		return err
	}
	defer options.Destroy()
	terminated := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { terminated <- options.Terminate() })
	err = s.provider.guard(func() error { return s.run.RunWithOptions(in, out, options) })
	if !stop() {
		<-terminated // the options must outlive it
		if err != nil {
			return ctx.Err()
		}
	}
	return err
}

func (s *session) close() error {
	if s == nil {
		return nil
	}
	err := errors.Join(s.run.Destroy(), s.profile.finish())
	s.own.release()
	return err
}
