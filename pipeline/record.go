package pipeline

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// The columns of a record.
const (
	columnID    = "id"    // uint64, index in the Source
	columnLabel = "label" // int32, -1: none
	columnViews = "views" // TensorType of uint8, [V,H,W,C]

	columnParams = "params" // with Options.Params: see paramsType
)

// newSchema returns the schema of the records that the chains make.
func newSchema(c *chains, params bool) (*arrow.Schema, error) {
	h := c.shape
	t, err := NewTensorType(arrow.PrimitiveTypes.Uint8, []int{c.viewCount(), h.H, h.W, h.C}, []string{"V", "H", "W", "C"})
	if err != nil {
		return nil, err
	}
	fields := []arrow.Field{
		{Name: columnID, Type: arrow.PrimitiveTypes.Uint64},
		{Name: columnLabel, Type: arrow.PrimitiveTypes.Int32},
		{Name: columnViews, Type: t},
	}
	if params {
		p := paramsType(c)
		if p == nil {
			return nil, errors.New("pipeline: Options.Params is set, but no stage is a Drawer, so there are no parameters to write")
		}
		fields = append(fields, arrow.Field{Name: columnParams, Type: p})
	}
	return arrow.NewSchema(fields, nil), nil
}

// Views returns the pixels of all rows of a record without a copy, and the shape [V,H,W,C] of one row: row i begins at
// pix[i*V*H*W*C]. Of two views, those of image i are images 2i and 2i+1 of pix, so the positive of image j is j XOR 1.
// The bytes are those of the record: nobody may write to them, and they end with its last Release.
func Views(rec arrow.Record) (pix []byte, shape [4]int, err error) {
	col, err := column[*TensorArray](rec, columnViews)
	if err != nil {
		return nil, shape, err
	}
	t, ok := col.DataType().(*TensorType)
	if !ok || len(t.meta.Shape) != len(shape) || len(t.meta.Permutation) > 0 {
		return nil, shape, fmt.Errorf("pipeline: column %q is %v; want a tensor [V,H,W,C]", columnViews, col.DataType())
	}
	list, ok := col.Storage().(*array.FixedSizeList)
	if !ok {
		return nil, shape, fmt.Errorf("pipeline: column %q is stored as %v", columnViews, col.Storage().DataType())
	}
	values, ok := list.ListValues().(*array.Uint8)
	if !ok || values.NullN() > 0 {
		return nil, shape, fmt.Errorf("pipeline: column %q holds %v; want uint8 without nulls", columnViews, list.DataType())
	}
	copy(shape[:], t.meta.Shape)
	if list.Len() == 0 {
		return nil, shape, nil
	}
	from, _ := list.ValueOffsets(0) // what a slice of a record leaves out
	_, to := list.ValueOffsets(list.Len() - 1)
	return values.Uint8Values()[from:to], shape, nil
}

// IDs returns the sample ids of a record without a copy, as Views does. Where a substitute replaced a bad sample, the id is
// that of the substitute.
func IDs(rec arrow.Record) ([]uint64, error) {
	col, err := column[*array.Uint64](rec, columnID)
	if err != nil {
		return nil, err
	}
	return col.Uint64Values(), nil
}

// Labels returns the classes of a record without a copy, as Views does; -1 is no class.
func Labels(rec arrow.Record) ([]int32, error) {
	col, err := column[*array.Int32](rec, columnLabel)
	if err != nil {
		return nil, err
	}
	return col.Int32Values(), nil
}

// column returns the column of that name, which must be an A without nulls.
func column[A arrow.Array](rec arrow.Record, name string) (A, error) {
	var none A
	at := rec.Schema().FieldIndices(name)
	if len(at) != 1 {
		return none, fmt.Errorf("pipeline: the record has %d columns named %q; want one", len(at), name)
	}
	col, ok := rec.Column(at[0]).(A)
	if !ok {
		return none, fmt.Errorf("pipeline: column %q is %v; want what %T holds", name, rec.Column(at[0]).DataType(), none)
	}
	if col.NullN() > 0 {
		return none, fmt.Errorf("pipeline: column %q has %d nulls; want none", name, col.NullN())
	}
	return col, nil
}
