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
	// BFloat16 says that the backend computes with images of bfloat16. The operands of group Operations then are numbers of
	// bfloat16, and its Tolerance is for the norm of a result's error, relative to the norm of that result. Tests that compare
	// gradients of the whole network are skipped: errors grow with each layer.
	BFloat16 bool
}

// Run runs the suite. It calls open for each group of tests, and closes what open returns; open may call t.Skip where
// what the backend needs is missing.
func Run(t *testing.T, open func(t *testing.T) backends.Backend, o Options) {
	if o.Tolerance == 0 {
		o.Tolerance = 1e-5
	}
	for _, group := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"Info", testInfo},
		{"Operations", testOperations},
		{"UpdatesReadOldValues", testUpdatesReadOldValues},
		{"Gradients", testGradients},
		{"Training", testTraining},
		{"Overfit", testOverfit},
		{"Deterministic", testDeterministic},
		{"Resume", testResume},
		{"Weights", testWeights},
		{"Load", testLoad},
		{"EmbedEval", testEmbedEval},
		{"EmbedTrain", testEmbedTrain},
		{"EvaluationOnly", testEvaluationOnly},
		{"Slices", testSlices},
		{"WrongBatch", testWrongBatch},
		{"LabelledTraining", testLabelledTraining},
		{"WrongLabels", testWrongLabels},
		{"Cancelled", testCancelled},
		{"Chunks", testChunks},
		{"Close", testClose},
	} {
		t.Run(group.name, func(t *testing.T) {
			b := open(t)
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Errorf("Close of the backend: %v", err)
				}
			})
			group.run(t, &suite{backend: b, tolerance: o.Tolerance, bfloat16: o.BFloat16})
		})
	}
}

// A suite is the backend under test, and what is asked of it.
type suite struct {
	backend   backends.Backend
	tolerance float64
	bfloat16  bool
}

// skipBFloat16 skips a test that compares gradients of the whole network.
func (s *suite) skipBFloat16(t *testing.T) {
	t.Helper()
	if s.bfloat16 {
		t.Skip("bfloat16: the errors of gradients grow with each layer")
	}
}
