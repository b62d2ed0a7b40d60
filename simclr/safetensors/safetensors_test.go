package safetensors_test

import (
	"bytes"
	"encoding/binary"
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
