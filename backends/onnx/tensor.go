package onnx

import (
	"fmt"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow/memory/mallocator"
	ort "github.com/yalue/onnxruntime_go"
)

// heap holds tensors outside of Go's memory: ONNX Runtime keeps pointers to them between calls.
var heap = mallocator.NewMallocator()

// alignment is that of the widest vector instructions.
const alignment = 64

// A tensor is float32 memory that ONNX Runtime reads and writes. It starts at zero.
type tensor struct {
	data  []float32
	block []byte // what data lies in
	value *ort.Tensor[float32]
}

func newTensor(shape []int) (t *tensor, err error) {
	s := ortShape(shape)
	size := int(s.FlattenedSize()) * 4
	defer func() {
		if r := recover(); r != nil { // how the allocator reports that there is no memory left
			t, err = nil, fmt.Errorf("allocate a tensor of %d bytes: %v", size, r)
		}
	}()
	t = &tensor{block: heap.Allocate(size + alignment)}
	start := -uintptr(unsafe.Pointer(unsafe.SliceData(t.block))) % alignment
	t.data = unsafe.Slice((*float32)(unsafe.Pointer(&t.block[start])), size/4)
	if t.value, err = ort.NewTensor(s, t.data); err != nil {
		heap.Free(t.block)
		return nil, err
	}
	return t, nil
}

func (t *tensor) free() {
	if t == nil || t.block == nil {
		return
	}
	_ = t.value.Destroy() // never fails
	heap.Free(t.block)
	t.data, t.block = nil, nil
}

func ortShape(shape []int) ort.Shape {
	s := make(ort.Shape, len(shape))
	for i, d := range shape {
		s[i] = int64(d)
	}
	return s
}
