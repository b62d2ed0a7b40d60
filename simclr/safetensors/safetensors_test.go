package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/simclr/safetensors"
)

var example = backends.Weights{
	{Name: "conv1.weight", Shape: []int{2, 1, 1, 2}, Data: []float32{1, -2, 3.5, 0}},
	{Name: "a \"quoted\" name", Shape: []int{3}, Data: []float32{4, 5, 6}},
	{Name: "scalar", Shape: []int{}, Data: []float32{7}},
}

func encode(t *testing.T, w backends.Weights) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Encode(&b, w); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	got, err := safetensors.Decode(encode(t, example))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, example) {
		t.Fatalf("got %v, want %v", got, example)
	}
}

func TestLayout(t *testing.T) {
	b := encode(t, backends.Weights{{Name: "w", Shape: []int{1}, Data: []float32{1}}})
	want := `{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	n := binary.LittleEndian.Uint64(b)
	if got := strings.TrimRight(string(b[8:8+n]), " "); got != want || n%8 != 0 {
		t.Errorf("header %q of %d bytes, want %q, padded to 8", got, n, want)
	}
	if got := b[8+n:]; !bytes.Equal(got, []byte{0, 0, 0x80, 0x3f}) {
		t.Errorf("data % x", got)
	}
}

func TestTruncatedFilesAreErrors(t *testing.T) {
	b := encode(t, example)
	for n := range len(b) {
		if _, err := safetensors.Decode(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes were read without an error", n, len(b))
		}
	}
}

func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	if err := safetensors.Encode(&b, example); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := safetensors.Decode(data)
		if err != nil {
			return
		}
		for _, tensor := range w {
			n := 1
			for _, d := range tensor.Shape {
				n *= d
			}
			if n != len(tensor.Data) {
				t.Fatalf("%s: %d numbers of shape %v", tensor.Name, len(tensor.Data), tensor.Shape)
			}
		}
	})
}

// file lays out a tensor w of the given type and bytes as a file.
func file(dtype, shape string, data []byte) []byte {
	header := fmt.Sprintf(`{"w":{"dtype":%q,"shape":%s,"data_offsets":[0,%d]}}`, dtype, shape, len(data))
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header+string(data)...)
}

func TestHalfPrecision(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		dtype string
		bits  uint16
		want  float32
	}{
		{"F16", 0x0000, 0}, {"F16", 0x3c00, 1}, {"F16", 0xc100, -2.5}, {"F16", 0x3555, 0.33325195}, {"F16", 0x7bff, 65504},
		{"F16", 0x0001, 0x1p-24}, {"F16", 0x83ff, -0x3ffp-24}, {"F16", 0x0400, 0x1p-14}, {"F16", 0x7c00, inf}, {"F16", 0x7e00, nan},
		{"BF16", 0x3f80, 1}, {"BF16", 0xc020, -2.5}, {"BF16", 0x0001, 0x1p-133}, {"BF16", 0x7f80, inf},
	} {
		w, err := safetensors.Decode(file(c.dtype, "[1]", binary.LittleEndian.AppendUint16(nil, c.bits)))
		if err != nil {
			t.Fatal(err)
		}
		if got := w[0].Data[0]; got != c.want && !(math.IsNaN(float64(got)) && math.IsNaN(float64(c.want))) {
			t.Errorf("%s %04x is %g, want %g", c.dtype, c.bits, got, c.want)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, dtype := range []string{"I64", "U8", "BOOL"} { // left out
		if w, err := safetensors.Decode(file(dtype, "[1]", make([]byte, 8))); err != nil || len(w) != 0 {
			t.Errorf("of %s there are %v, error %v", dtype, w, err)
		}
	}
	for _, dtype := range []string{"F64", "F8_E4M3", "", "x"} {
		if _, err := safetensors.Decode(file(dtype, "[1]", make([]byte, 8))); err == nil || !strings.Contains(err.Error(), "want F32, F16 or BF16") {
			t.Errorf("type %q gives error %v", dtype, err)
		}
	}
	if _, err := safetensors.Decode(file("F16", "[2]", make([]byte, 8))); err == nil {
		t.Error("two halves in eight bytes are read")
	}
}
