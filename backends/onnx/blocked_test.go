package onnx

import (
	"strings"
	"testing"
)

// TestOperatorsAreNamed looks for layers of every kind in the trial's network: traces, and what benchmarks/attribute.py makes of them,
// go by these names.
func TestOperatorsAreNamed(t *testing.T) {
	s, _ := trialStep()
	m, err := lower(s.Graph, s.Outputs(), false, settings{own: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"ConvPixels 3x16x16 to 20x16x16 by 3x3/1 #",
		"ConvPixelsGradFilter 3x16x16 to 20x16x16 by 3x3/1 #",
		"Conv 36x8x8 to 20x8x8 by 3x3/1 #",
		"ConvGradInput 20x8x8 to 40x4x4 by 3x3/2 #",
		"ConvGradFilter 20x8x8 to 40x4x4 by 1x1/2 #",
		"MaxPool 20x16x16 to 20x8x8 by 3x3/2 #",
		"MaxPoolGrad 20x16x16 to 20x8x8 by 3x3/2 #",
		"Moments 36x8x8 #",
		"Normalize 36x8x8 #",
		"NormalizeGradInput 36x8x8 #",
		"AvgPool 40x4x4 #",
		"Descend 36x20x3x3 #",
	} {
		if !strings.Contains(string(m.encoded), want) {
			t.Errorf("no operator is called %q", want)
		}
	}
}
