package pipeline

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// A block is the memory of one record: one allocation that holds its three columns one after another, each from a multiple
// of 64 bytes on. Workers write to disjoint rows of it.
type block struct {
	rows, rowSize int
	memory        *memory.Buffer
	ids, labels   *memory.Buffer
	views         *memory.Buffer
}

func newBlock(alloc memory.Allocator, rows, rowSize int) *block {
	idSize, labelSize := roundUp(8*rows), roundUp(4*rows)
	size := idSize + labelSize + roundUp(rows*rowSize)
	m := memory.NewBufferWithAllocator(alloc.Allocate(size), alloc)
	return &block{
		rows: rows, rowSize: rowSize, memory: m,
		ids:    memory.SliceBuffer(m, 0, 8*rows),
		labels: memory.SliceBuffer(m, idSize, 4*rows),
		views:  memory.SliceBuffer(m, idSize+labelSize, rows*rowSize),
	}
}

func roundUp(n int) int { return (n + 63) &^ 63 }

// row returns the pixels of row i, for a worker to write.
func (b *block) row(i int) []byte { return b.views.Bytes()[i*b.rowSize:][:b.rowSize] }

// set writes the other columns of row i.
func (b *block) set(i int, id uint64, label int32) {
	arrow.Uint64Traits.CastFromBytes(b.ids.Bytes())[i] = id
	arrow.Int32Traits.CastFromBytes(b.labels.Bytes())[i] = label
}

// record returns a record over the block, which lives on until both are released.
func (b *block) record(schema *arrow.Schema) arrow.Record {
	views := schema.Field(2).Type.(*TensorType)
	pixels := array.NewData(arrow.PrimitiveTypes.Uint8, b.rows*b.rowSize, []*memory.Buffer{nil, b.views}, nil, 0, 0)
	columns := []arrow.ArrayData{
		array.NewData(arrow.PrimitiveTypes.Uint64, b.rows, []*memory.Buffer{nil, b.ids}, nil, 0, 0),
		array.NewData(arrow.PrimitiveTypes.Int32, b.rows, []*memory.Buffer{nil, b.labels}, nil, 0, 0),
		array.NewData(views, b.rows, []*memory.Buffer{nil}, []arrow.ArrayData{pixels}, 0, 0),
	}
	pixels.Release()
	arrays := make([]arrow.Array, len(columns))
	for i, c := range columns {
		arrays[i] = array.MakeFromData(c)
		c.Release()
	}
	rec := array.NewRecord(schema, arrays, int64(b.rows))
	for _, a := range arrays {
		a.Release()
	}
	return rec
}

// release gives up the block; a record over it keeps its memory.
func (b *block) release() {
	b.ids.Release()
	b.labels.Release()
	b.views.Release()
	b.memory.Release()
}
