package probe

import (
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// rowsPerRecord keeps the records of a file at a few megabytes.
const rowsPerRecord = 4096

// Write writes the features as an Arrow IPC file with the columns id uint64, label int32 and features, a list of Dim float32.
func (f *Features) Write(file io.WriteSeeker) error {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Uint64},
		{Name: "label", Type: arrow.PrimitiveTypes.Int32},
		{Name: "features", Type: arrow.FixedSizeListOfNonNullable(int32(f.Dim), arrow.PrimitiveTypes.Float32)},
	}, nil)
	w, err := ipc.NewFileWriter(file, ipc.WithSchema(schema))
	if err != nil {
		return err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	list := b.Field(2).(*array.FixedSizeListBuilder)
	for from := 0; from < f.Len(); from += rowsPerRecord {
		to := min(from+rowsPerRecord, f.Len())
		b.Field(0).(*array.Uint64Builder).AppendValues(f.IDs[from:to], nil)
		b.Field(1).(*array.Int32Builder).AppendValues(f.Labels[from:to], nil)
		for range to - from {
			list.Append(true)
		}
		list.ValueBuilder().(*array.Float32Builder).AppendValues(f.Data[from*f.Dim:to*f.Dim], nil)
		record := b.NewRecord()
		err := w.Write(record)
		record.Release()
		if err != nil {
			return err
		}
	}
	return w.Close()
}
