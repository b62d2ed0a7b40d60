package onnx

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tinyModel has one of each thing that a model may hold.
func tinyModel() []byte {
	b := newBuilder()
	x := b.op("HardSigmoid", []value{"in:x"}, floatAttr("alpha", 0.5))
	x = b.op("Transpose", []value{x}, intsAttr("perm", 1, 0))
	x = b.op("ScatterElements", []value{x, b.constant(int64Type, []int{1, 2}, rawInts([]int{0, -1})), b.floats([]int{1, 2}, 2.5)},
		intAttr("axis", 0), strAttr("reduction", "add"))
	b.name(x, "out:0")
	b.name(x, "out:1")
	return b.encode([]port{{"in:x", float32Type, []int{2, 3}}}, []port{{"out:0", float32Type, []int{3, 2}}, {"out:1", float32Type, []int{3, 2}}})
}

// TestEncodeModel compares the bytes of a model with those that testdata/golden.py wrote with the official package.
func TestEncodeModel(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "tiny.hex"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	if got := tinyModel(); !bytes.Equal(got, want) {
		t.Errorf("the model is\n%q\nwant\n%q", got, want)
	}
}

func TestEncodeKeepsOnlyWhatOutputsNeed(t *testing.T) {
	b := newBuilder()
	kept := b.scale("in:x", 2)
	b.op("Sin", []value{b.scale(kept, 3)})
	taken := b.multi("MaxPool", 2, []value{kept})[1] // only the second result is used
	b.name(taken, "out:0")
	ports := []port{{"in:x", float32Type, []int{1}}}
	model := string(b.encode(ports, []port{{"out:0", float32Type, []int{1}}}))
	for _, c := range []struct {
		what string
		in   bool
	}{
		{"MaxPool", true},
		{"constant#1", true}, // 2
		{"Sin", false},
		{"constant#3", false}, // 3
	} {
		if got := strings.Contains(model, c.what); got != c.in {
			t.Errorf("the model has %s: %t, want %t", c.what, got, c.in)
		}
	}
}

func TestConstantsOfTheSameContentAreOne(t *testing.T) {
	b := newBuilder()
	ints, number := b.ints(1, 2), b.number(0.5)
	if ints != b.ints(1, 2) || number != b.number(0.5) {
		t.Error("equal constants are stored twice")
	}
	// The same bytes of another type or shape are another constant.
	different := map[value]bool{
		b.ints(1): true, b.index(1): true, b.floats([]int{2}, 0): true, b.floats([]int{1, 2}, 0): true, b.ints(0): true,
	}
	if len(different) != 5 {
		t.Errorf("5 constants became %d", len(different))
	}
}
