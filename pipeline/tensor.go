package pipeline

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// TensorType is Arrow's canonical extension type arrow.fixed_shape_tensor: each row is a tensor of the same shape, stored
// row-major in a fixed-size list. Importing this package registers it, so that IPC readers return it; pyarrow knows it as
// FixedShapeTensorType.
type TensorType struct {
	arrow.ExtensionBase
	meta tensorMeta
}

// tensorMeta is the metadata of the type, as the Arrow specification writes it.
type tensorMeta struct {
	Shape       []int    `json:"shape"`
	DimNames    []string `json:"dim_names,omitempty"`
	Permutation []int    `json:"permutation,omitempty"`
}

// TensorArray is an array of TensorType.
type TensorArray struct{ array.ExtensionArrayBase }

const tensorName = "arrow.fixed_shape_tensor"

func init() {
	// Fails only where the program has registered a type of that name itself, which then serves its readers.
	storage := arrow.FixedSizeListOf(1, arrow.PrimitiveTypes.Uint8)
	_ = arrow.RegisterExtensionType(&TensorType{ExtensionBase: arrow.ExtensionBase{Storage: storage}})
}

// NewTensorType returns the type of tensors with elements of type value. dims names the dimensions; it may be nil.
func NewTensorType(value arrow.DataType, shape []int, dims []string) (*TensorType, error) {
	if dims != nil && len(dims) != len(shape) {
		return nil, fmt.Errorf("pipeline: a tensor of shape %v has %d dimension names", shape, len(dims))
	}
	n, err := elements(shape)
	if err != nil {
		return nil, err
	}
	return &TensorType{
		ExtensionBase: arrow.ExtensionBase{Storage: arrow.FixedSizeListOf(int32(n), value)},
		meta:          tensorMeta{Shape: slices.Clone(shape), DimNames: slices.Clone(dims)},
	}, nil
}

// elements is the number of elements of a tensor: at least 1, and what the 32-bit length of a list can say.
func elements(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d <= 0 || d > math.MaxInt32/n {
			return 0, fmt.Errorf("pipeline: a tensor of shape %v has no element or more than 2^31", shape)
		}
		n *= d
	}
	return n, nil
}

// Shape returns the size of each dimension, outermost first.
func (t *TensorType) Shape() []int { return slices.Clone(t.meta.Shape) }

// DimNames returns the names of the dimensions, or nil.
func (t *TensorType) DimNames() []string { return slices.Clone(t.meta.DimNames) }

// ExtensionName implements arrow.ExtensionType.
func (*TensorType) ExtensionName() string { return tensorName }

// ArrayType implements arrow.ExtensionType.
func (*TensorType) ArrayType() reflect.Type { return reflect.TypeFor[TensorArray]() }

// String returns for example "tensor<uint8>[2 224 224 3]".
func (t *TensorType) String() string {
	list, ok := t.Storage.(*arrow.FixedSizeListType)
	if !ok {
		return tensorName
	}
	return fmt.Sprintf("tensor<%v>%v", list.Elem(), t.meta.Shape)
}

// Serialize implements arrow.ExtensionType.
func (t *TensorType) Serialize() string {
	b, err := json.Marshal(t.meta)
	if err != nil { // integers and strings always encode
		return ""
	}
	return string(b)
}

// Deserialize implements arrow.ExtensionType.
func (*TensorType) Deserialize(storage arrow.DataType, data string) (arrow.ExtensionType, error) {
	list, ok := storage.(*arrow.FixedSizeListType)
	if !ok {
		return nil, fmt.Errorf("pipeline: %s is stored as %v; want a fixed-size list", tensorName, storage)
	}
	t := &TensorType{ExtensionBase: arrow.ExtensionBase{Storage: storage}}
	if err := json.Unmarshal([]byte(data), &t.meta); err != nil {
		return nil, fmt.Errorf("pipeline: metadata of %s: %w", tensorName, err)
	}
	n, err := elements(t.meta.Shape)
	if err != nil {
		return nil, err
	}
	if n != int(list.Len()) {
		return nil, fmt.Errorf("pipeline: %s of shape %v is stored in lists of %d", tensorName, t.meta.Shape, list.Len())
	}
	return t, nil
}

// ExtensionEquals implements arrow.ExtensionType.
func (t *TensorType) ExtensionEquals(other arrow.ExtensionType) bool {
	o, ok := other.(*TensorType)
	return ok && arrow.TypeEqual(t.Storage, o.Storage) && slices.Equal(t.meta.Shape, o.meta.Shape) &&
		slices.Equal(t.meta.DimNames, o.meta.DimNames) && slices.Equal(t.meta.Permutation, o.meta.Permutation)
}
