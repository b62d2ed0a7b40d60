// Package safetensors reads and writes the safetensors format (https://github.com/huggingface/safetensors): eight bytes with
// the length of a JSON header, little-endian, the header, which gives each tensor's type, shape and place, and the numbers.
// It writes float32, and reads what becomes float32 without loss.
package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/goclr/goclr/backends"
)

// maxHeader bounds what a damaged length can make Read allocate; the format's own limit is the same.
const maxHeader = 100 << 20

type entry struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

// Encode writes the tensors to w in the order given. The same tensors give the same bytes.
func Encode(w io.Writer, tensors backends.Weights) error {
	// The order of keys in the header is that of the data, so that readers which copy in header order read straight on.
	var header bytes.Buffer
	header.WriteByte('{')
	offset := 0
	for i, t := range tensors {
		if i > 0 {
			header.WriteByte(',')
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return fmt.Errorf("safetensors: name of tensor %d: %w", i, err)
		}
		value, err := json.Marshal(entry{"F32", shape, [2]int{offset, offset + 4*len(t.Data)}})
		if err != nil {
			return fmt.Errorf("safetensors: header of %s: %w", t.Name, err)
		}
		header.Write(name)
		header.WriteByte(':')
		header.Write(value)
		offset += 4 * len(t.Data)
	}
	header.WriteByte('}')
	for header.Len()%8 != 0 {
		header.WriteByte(' ') // aligns the data for readers that map the file
	}
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(header.Len()))
	if _, err := w.Write(length[:]); err != nil {
		return err
	}
	if _, err := w.Write(header.Bytes()); err != nil {
		return err
	}
	var buf []byte
	for _, t := range tensors {
		buf = buf[:0]
		for _, v := range t.Data {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// ReadFile returns the tensors of a file in the order of their data.
func ReadFile(path string) (backends.Weights, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	w, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

var errTruncated = errors.New("safetensors: the file is cut short")

// Decode returns the tensors of an encoded file in the order of the header: those of F32, F16 and BF16. It leaves out tensors of
// integers, which are no weights (PyTorch counts the batches of each normalisation in one); any other type is an error.
func Decode(data []byte) (backends.Weights, error) {
	if len(data) < 8 {
		return nil, errTruncated
	}
	n := binary.LittleEndian.Uint64(data)
	if n > maxHeader || n < 2 {
		return nil, fmt.Errorf("safetensors: a header of %d bytes: this is no safetensors file", n)
	}
	data = data[8:]
	if uint64(len(data)) < n {
		return nil, errTruncated
	}
	header, data := data[:n], data[n:]
	dec := json.NewDecoder(bytes.NewReader(header))
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("safetensors: header: %w", err)
	}
	var w backends.Weights
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("safetensors: header: %w", err)
		}
		name, _ := key.(string)
		if name == "__metadata__" {
			var skip map[string]string
			if err := dec.Decode(&skip); err != nil {
				return nil, fmt.Errorf("safetensors: metadata: %w", err)
			}
			continue
		}
		var e entry
		if err := dec.Decode(&e); err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", name, err)
		}
		if slices.Contains(integers, e.DType) {
			continue
		}
		t, err := decodeTensor(name, e, data)
		if err != nil {
			return nil, err
		}
		w = append(w, t)
	}
	return w, nil
}

func decodeTensor(name string, e entry, data []byte) (backends.Tensor, error) {
	size := 1
	for _, d := range e.Shape {
		if d < 0 || d > 0 && size > math.MaxInt/8/d {
			return backends.Tensor{}, fmt.Errorf("safetensors: tensor %q has shape %v", name, e.Shape)
		}
		size *= d
	}
	begin, end := e.Offsets[0], e.Offsets[1]
	f, ok := floats[e.DType]
	switch {
	case !ok:
		return backends.Tensor{}, fmt.Errorf("safetensors: tensor %q is %s, want F32, F16 or BF16: convert it with .float() in PyTorch", name, e.DType)
	case begin < 0 || end-begin != f.bytes*size:
		return backends.Tensor{}, fmt.Errorf("safetensors: tensor %q of shape %v lies at %v", name, e.Shape, e.Offsets)
	case end > len(data):
		return backends.Tensor{}, errTruncated
	}
	t := backends.Tensor{Name: name, Shape: e.Shape, Data: make([]float32, size)}
	for i := range t.Data {
		t.Data[i] = f.read(data[begin+f.bytes*i:])
	}
	return t, nil
}
