package backendtest

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/pipeline"
)

// pixels are rows of views, as a record holds them: [rows, views, h, w, c] bytes.
type pixels struct {
	rows, views, h, w, c int
	data                 []byte
	labels               []int32 // of the rows; nil: the record has none
}

// size is the number of bytes of a row.
func (p pixels) size() int { return p.views * p.h * p.w * p.c }

// pairs returns rows of two views: each pair has a picture of its own, and the views differ from it by noise.
func pairs(seed uint64, rows, h, w int) pixels {
	r := rand.New(rand.NewPCG(seed, 1))
	p := pixels{rows: rows, views: 2, h: h, w: w, c: 3}
	for range rows {
		picture := make([]byte, h*w*3)
		for i := range picture {
			picture[i] = byte(30 + r.IntN(196))
		}
		for range p.views {
			for _, v := range picture {
				p.data = append(p.data, byte(int(v)+r.IntN(61)-30))
			}
		}
	}
	return p
}

// singles returns rows of one view.
func singles(seed uint64, rows, h, w int) pixels {
	p := pairs(seed, rows, h, w)
	p.views, p.rows = 1, 2*rows
	return p.slice(0, rows)
}

// labelled returns the rows with the given labels.
func (p pixels) labelled(labels ...int32) pixels {
	p.labels = labels
	return p
}

// slice returns rows from to to, without labels.
func (p pixels) slice(from, to int) pixels {
	p.rows, p.data, p.labels = to-from, p.data[from*p.size():to*p.size()], nil
	return p
}

// reversed returns the rows in opposite order.
func (p pixels) reversed() pixels {
	var rows [][]byte
	for row := range slices.Chunk(p.data, p.size()) {
		rows = append(rows, row)
	}
	slices.Reverse(rows)
	p.data = slices.Concat(rows...)
	return p
}

// record makes the Arrow record of the pixels. When the test ends the record is released, and no memory of it may be
// held.
func (p pixels) record(t *testing.T) arrow.Record {
	t.Helper()
	tensor, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Uint8, []int{p.views, p.h, p.w, p.c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return newRecord(t, "views", tensor, p.rows, p.data, p.labels)
}

// newRecord makes a record of one column of fixed-size lists of bytes, and of one of labels unless they are nil.
func newRecord(t *testing.T, name string, column arrow.ExtensionType, rows int, data []byte, labels []int32) arrow.Record {
	t.Helper()
	allocator := memory.NewCheckedAllocator(memory.DefaultAllocator)
	lists := array.NewFixedSizeListBuilder(allocator, int32(len(data)/rows), arrow.PrimitiveTypes.Uint8)
	defer lists.Release()
	for range rows {
		lists.Append(true)
	}
	lists.ValueBuilder().(*array.Uint8Builder).AppendValues(data, nil)
	storage := lists.NewArray()
	defer storage.Release()
	views := array.NewExtensionArrayWithStorage(column, storage)
	defer views.Release()
	fields, columns := []arrow.Field{{Name: name, Type: column}}, []arrow.Array{views}
	if labels != nil {
		b := array.NewInt32Builder(allocator)
		defer b.Release()
		b.AppendValues(labels, nil)
		classes := b.NewArray()
		defer classes.Release()
		fields, columns = append(fields, arrow.Field{Name: "label", Type: classes.DataType()}), append(columns, classes)
	}
	rec := array.NewRecord(arrow.NewSchema(fields, nil), columns, int64(rows))
	t.Cleanup(func() {
		rec.Release()
		allocator.AssertSize(t, 0)
	})
	return rec
}
