package pipeline

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// A block is the memory of one record: one allocation that holds its columns one after another, each from a multiple of 64
// bytes on. Workers write to disjoint rows of it.
type block struct {
	rows, rowSize int
	memory        *memory.Buffer
	ids, labels   *memory.Buffer
	views         *memory.Buffer
	params        []*memory.Buffer // a column for each
}

func newBlock(alloc memory.Allocator, rows, rowSize, params int) *block {
	sizes := []int{8 * rows, 4 * rows, rows * rowSize}
	for range params {
		sizes = append(sizes, 8*rows)
	}
	total := 0
	for _, n := range sizes {
		total += roundUp(n)
	}
	m := memory.NewBufferWithAllocator(alloc.Allocate(total), alloc)
	columns := make([]*memory.Buffer, len(sizes))
	at := 0
	for i, n := range sizes {
		columns[i] = memory.SliceBuffer(m, at, n)
		at += roundUp(n)
	}
	return &block{rows: rows, rowSize: rowSize, memory: m, ids: columns[0], labels: columns[1], views: columns[2], params: columns[3:]}
}

// newBlock returns a block for rows of this pipeline.
func (p *Pipeline) newBlock(alloc memory.Allocator, rows int) *block {
	s, params := p.chains.shape, 0
	if p.options.Params {
		params = p.chains.params
	}
	return newBlock(alloc, rows, p.Views()*s.H*s.W*s.C, params)
}

func roundUp(n int) int { return (n + 63) &^ 63 }

// row returns the pixels of row i, for a worker to write.
func (b *block) row(i int) []byte { return b.views.Bytes()[i*b.rowSize:][:b.rowSize] }

// set writes the other columns of row i.
func (b *block) set(i int, id uint64, label int32, params []float64) {
	arrow.Uint64Traits.CastFromBytes(b.ids.Bytes())[i] = id
	arrow.Int32Traits.CastFromBytes(b.labels.Bytes())[i] = label
	for k, column := range b.params {
		arrow.Float64Traits.CastFromBytes(column.Bytes())[i] = params[k]
	}
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
	if len(b.params) > 0 {
		columns = append(columns, paramsData(schema.Field(3).Type, b.rows, b.params))
	}
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
	for _, p := range b.params {
		p.Release()
	}
	b.memory.Release()
}
