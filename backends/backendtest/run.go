package backendtest

import (
	"testing"

	"github.com/goclr/goclr/backends"
)

// Options say what is expected of a backend.
type Options struct {
	// Tolerance is the largest error that an element of a result may have, relative to the largest element of that
	// result. Where float32 itself loses more, a test allows a stated multiple. The default is 1e-5, which suits float32
	// arithmetic.
	Tolerance float64
	// Round is for a backend that multiplies numbers of fewer bits than float32 has: it returns the nearest such number. Group
	// Operations then draws its operands from these, and Tolerance is for the norm of a result's error, relative to that of the
	// result. The groups that compare a whole network with package reference, where roundings add up, are left out; what they
	// allow would allow errors too. The default is nil, for float32.
	Round func(float32) float32
}

// Run runs the suite. It calls open for each group of tests, and closes what open returns; open may call t.Skip where
// what the backend needs is missing.
func Run(t *testing.T, open func(t *testing.T) backends.Backend, o Options) {
	if o.Tolerance == 0 {
		o.Tolerance = 1e-5
	}
	for _, group := range []struct {
		name     string
		run      func(t *testing.T, s *suite)
		compares bool // a network with that of package reference
	}{
		{"Info", testInfo, false},
		{"Operations", testOperations, false},
		{"UpdatesReadOldValues", testUpdatesReadOldValues, false},
		{"Gradients", testGradients, true},
		{"Training", testTraining, true},
		{"Overfit", testOverfit, false},
		{"Deterministic", testDeterministic, false},
		{"Resume", testResume, false},
		{"Weights", testWeights, false},
		{"Load", testLoad, false},
		{"EmbedEval", testEmbedEval, true},
		{"EmbedTrain", testEmbedTrain, true},
		{"EvaluationOnly", testEvaluationOnly, true},
		{"Slices", testSlices, false},
		{"WrongBatch", testWrongBatch, false},
		{"LabelledTraining", testLabelledTraining, true},
		{"WrongLabels", testWrongLabels, false},
		{"Cancelled", testCancelled, false},
		{"Chunks", testChunks, true},
		{"Staging", testStaging, false},
		{"Close", testClose, false},
	} {
		if group.compares && o.Round != nil {
			continue
		}
		t.Run(group.name, func(t *testing.T) {
			b := open(t)
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Errorf("Close of the backend: %v", err)
				}
			})
			group.run(t, &suite{backend: b, tolerance: o.Tolerance, round: o.Round})
		})
	}
}

// A suite is the backend under test, and what is asked of it.
type suite struct {
	backend   backends.Backend
	tolerance float64
	round     func(float32) float32 // nil for float32
}
