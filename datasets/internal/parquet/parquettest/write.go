// Package parquettest writes small Parquet files for tests, by Arrow's writer.
package parquettest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// A Column is a leaf of the schema with its values, any of which may be null.
type Column struct {
	Path   []string // one name, or that of a struct and of a field of it; those of one struct stand together
	Values []any    // []byte, string, int32, int64 or nil, all of one type
}

// File says what a file is like besides its columns.
type File struct {
	GroupRows  int               // rows in a row group; 0: all
	Metadata   map[string]string // the file's own
	Required   bool              // no value may be null, and no levels are stored
	Properties []parquet.WriterProperty
}

// Write returns a file of columns, and makes sure that the writer leaks nothing.
func Write(t testing.TB, f File, columns ...Column) []byte {
	t.Helper()
	allocator := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer allocator.AssertSize(t, 0)
	var out bytes.Buffer
	root := must(schema.NewGroupNode("schema", parquet.Repetitions.Required, f.fields(columns), -1))(t)
	properties := append([]parquet.WriterProperty{parquet.WithAllocator(allocator)}, f.Properties...)
	w := file.NewParquetWriter(&out, root, file.WithWriterProps(parquet.NewWriterProperties(properties...)))
	for key, value := range f.Metadata {
		check(t, w.AppendKeyValueMetadata(key, value))
	}
	rows := len(columns[0].Values)
	step := f.GroupRows
	if step == 0 {
		step = max(rows, 1)
	}
	for from := 0; from < rows; from += step {
		group := w.AppendRowGroup()
		for _, c := range columns {
			writer := must(group.NextColumn())(t)
			check(t, write(writer, c.Values[from:min(from+step, rows)]))
			check(t, writer.Close())
		}
		check(t, group.Close())
	}
	check(t, w.Close())
	return out.Bytes()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func (f File) repetition() parquet.Repetition {
	if f.Required {
		return parquet.Repetitions.Required
	}
	return parquet.Repetitions.Optional
}

// fields returns the nodes of the schema below its root.
func (f File) fields(columns []Column) schema.FieldList {
	var top, within schema.FieldList
	for i, c := range columns {
		node := f.leaf(c.Path[len(c.Path)-1], c.Values)
		if len(c.Path) == 1 {
			top = append(top, node)
			continue
		}
		within = append(within, node)
		if i+1 == len(columns) || columns[i+1].Path[0] != c.Path[0] {
			top = append(top, schema.MustGroup(schema.NewGroupNode(c.Path[0], f.repetition(), within, -1)))
			within = nil
		}
	}
	return top
}

// leaf returns the node of a column: of binary values if all are null.
func (f File) leaf(name string, values []any) schema.Node {
	for _, v := range values {
		switch v.(type) {
		case string:
			return schema.MustPrimitive(schema.NewPrimitiveNodeLogical(name, f.repetition(), schema.StringLogicalType{}, parquet.Types.ByteArray, 0, -1))
		case int32:
			return schema.NewInt32Node(name, f.repetition(), -1)
		case int64:
			return schema.NewInt64Node(name, f.repetition(), -1)
		}
	}
	return schema.NewByteArrayNode(name, f.repetition(), -1)
}

// write writes values into a column of a row group.
func write(to file.ColumnChunkWriter, values []any) error {
	levels := make([]int16, len(values))
	for i, v := range values {
		if v != nil {
			levels[i] = to.Descr().MaxDefinitionLevel()
		} else if to.Descr().MaxDefinitionLevel() == 0 {
			return fmt.Errorf("value %d is null", i)
		}
	}
	var err error
	switch w := to.(type) {
	case *file.ByteArrayColumnChunkWriter:
		_, err = w.WriteBatch(present(values, func(v any) parquet.ByteArray {
			if s, ok := v.(string); ok {
				return parquet.ByteArray(s)
			}
			return v.([]byte)
		}), levels, nil)
	case *file.Int32ColumnChunkWriter:
		_, err = w.WriteBatch(present(values, func(v any) int32 { return v.(int32) }), levels, nil)
	case *file.Int64ColumnChunkWriter:
		_, err = w.WriteBatch(present(values, func(v any) int64 { return v.(int64) }), levels, nil)
	}
	return err
}

// present returns the values that are not null.
func present[T any](values []any, as func(any) T) []T {
	var list []T
	for _, v := range values {
		if v != nil {
			list = append(list, as(v))
		}
	}
	return list
}
