package datasets

import (
	"encoding/binary"
	"errors"

	"github.com/apache/arrow/go/v17/arrow"
)

// shardSchema is that of every shard.
var shardSchema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Uint64},
	{Name: "label", Type: arrow.PrimitiveTypes.Int32},
	{Name: "key", Type: arrow.BinaryTypes.String},
	{Name: "image", Type: arrow.BinaryTypes.Binary},
	{Name: "width", Type: arrow.PrimitiveTypes.Int32},
	{Name: "height", Type: arrow.PrimitiveTypes.Int32},
	{Name: "crc32c", Type: arrow.PrimitiveTypes.Uint32},
}, nil)

// Types of a column, as Arrow's metadata numbers them.
const (
	typeInt    = 2
	typeBinary = 4
	typeUTF8   = 5
)

// A layout is a schema as it is found in a file.
type layout []struct {
	name     string
	kind     byte
	width    int // bytes of a value; 0 where it varies
	signed   bool
	nullable bool
}

// shardColumns is the layout of shardSchema.
var shardColumns = layout{
	{name: "id", kind: typeInt, width: 8},
	{name: "label", kind: typeInt, width: 4, signed: true},
	{name: "key", kind: typeUTF8},
	{name: "image", kind: typeBinary},
	{name: "width", kind: typeInt, width: 4, signed: true},
	{name: "height", kind: typeInt, width: 4, signed: true},
	{name: "crc32c", kind: typeInt, width: 4},
}

// A batch is one record batch of a file in place: its columns are parts of the file as it is mapped into memory. Package
// ipc would copy a batch of 64 MB to read one row of it, and can be made to ask for any memory by a flipped bit.
type batch struct {
	rows    int
	columns []column
}

// A column has, for values that vary in size, rows+1 little-endian offsets of 4 bytes into data, and where some are null, a
// bit for each that is not.
type column struct{ valid, offsets, data []byte }

// A block says where in the file a record batch is: its metadata at at, and the body behind.
type block struct{ at, meta, body int64 }

func (b block) end() int64 { return b.at + b.meta + b.body }

var errLayout = errors.New("not laid out as an Arrow file of this kind")

// parseShard finds the record batches of a shard.
func parseShard(file []byte) ([]batch, error) {
	_, batches, err := parseArrow(file, shardColumns)
	return batches, err
}

// parseArrow finds the record batches of an Arrow IPC file with these columns. Nothing in the file is trusted.
func parseArrow(file []byte, columns layout) ([]block, []batch, error) {
	f := flat{b: file}
	size := int64(len(file))
	footer := f.root(footerStart(&f))
	schema := f.field(footer, 1)
	if schema == 0 || !f.has(f.root(schema), columns) {
		return nil, nil, errLayout
	}
	vector, n := f.vector(footer, 3)
	blocks := make([]block, 0, min(n, size/24))
	batches := make([]batch, 0, min(n, size/24))
	for i := int64(0); i < n && !f.bad; i++ {
		at, meta, body := f.i64(vector+24*i), int64(f.u32(vector+24*i+8)), f.i64(vector+24*i+16)
		if at < 0 || body < 0 || at > size || body > size || at+meta+body > size {
			return nil, nil, errLayout
		}
		b, err := f.batch(f.root(at+8), file[at+meta:at+meta+body], columns)
		if err != nil {
			return nil, nil, err
		}
		blocks, batches = append(blocks, block{at, meta, body}), append(batches, b)
	}
	if f.bad {
		return nil, nil, errLayout
	}
	return blocks, batches, nil
}

// footerStart finds the footer by what stands behind it: its length and "ARROW1".
func footerStart(f *flat) int64 {
	tail := int64(len(f.b)) - 10
	return tail - int64(f.u32(tail))
}

// A flat reads flatbuffers, the encoding of Arrow's metadata: tables whose fields are found through a vtable. A position
// outside the file reads as 0 and sets bad.
type flat struct {
	b   []byte
	bad bool
}

func (f *flat) at(pos int64, n int64) []byte {
	if pos < 0 || pos > int64(len(f.b))-n {
		f.bad = true
		return make([]byte, n)
	}
	return f.b[pos : pos+n]
}

func (f *flat) u16(pos int64) uint16 { return binary.LittleEndian.Uint16(f.at(pos, 2)) }
func (f *flat) u32(pos int64) uint32 { return binary.LittleEndian.Uint32(f.at(pos, 4)) }
func (f *flat) i64(pos int64) int64  { return int64(binary.LittleEndian.Uint64(f.at(pos, 8))) }

// root follows the reference at pos, to a table from the start of a buffer or from a field.
func (f *flat) root(pos int64) int64 { return pos + int64(f.u32(pos)) }

// field returns where field i of a table is, or 0 where it was left out.
func (f *flat) field(table int64, i int64) int64 {
	vtable := table - int64(int32(f.u32(table)))
	if 4+2*i >= int64(f.u16(vtable)) {
		return 0
	}
	if offset := f.u16(vtable + 4 + 2*i); offset != 0 {
		return table + int64(offset)
	}
	return 0
}

// vector returns where the elements of field i begin, and their number.
func (f *flat) vector(table int64, i int64) (start, n int64) {
	at := f.field(table, i)
	if at == 0 {
		return 0, 0
	}
	at = f.root(at)
	return at + 4, int64(f.u32(at))
}

// number returns field i of a table, an integer of n bytes; 0 where it was left out.
func (f *flat) number(table int64, i, n int64) uint64 {
	at := f.field(table, i)
	if at == 0 {
		return 0
	}
	var b [8]byte
	copy(b[:], f.at(at, n))
	return binary.LittleEndian.Uint64(b[:])
}

// has compares a Schema {endianness, fields} with a layout. A Field is {name, nullable, kind of type, type, ...}, an Int
// {bits, signed}.
func (f *flat) has(schema int64, columns layout) bool {
	fields, n := f.vector(schema, 1)
	if n != int64(len(columns)) || f.number(schema, 0, 2) != 0 { // 0: little-endian
		return false
	}
	for i, want := range columns {
		field := f.root(fields + 4*int64(i))
		name, length := f.vector(field, 0)
		if length != int64(len(want.name)) || string(f.at(name, length)) != want.name ||
			f.number(field, 2, 1) != uint64(want.kind) {
			return false
		}
		if want.kind == typeInt {
			at := f.field(field, 3)
			if at == 0 {
				return false
			}
			integer := f.root(at)
			signed := f.number(integer, 1, 1) != 0
			if f.number(integer, 0, 4) != uint64(8*want.width) || signed != want.signed {
				return false
			}
		}
	}
	return !f.bad
}

// batch reads a Message table that holds a RecordBatch: {length, nodes, buffers, compression}.
func (f *flat) batch(message int64, body []byte, columns layout) (batch, error) {
	const recordBatch = 3 // MessageHeader
	header := f.field(message, 2)
	if header == 0 || f.number(message, 1, 1) != recordBatch {
		return batch{}, errLayout
	}
	table := f.root(header)
	buffers, n := f.vector(table, 2)
	rows := int64(f.number(table, 0, 8))
	if f.bad || f.field(table, 3) != 0 || rows < 0 || rows > int64(len(body)) {
		return batch{}, errLayout
	}
	b := batch{rows: int(rows), columns: make([]column, len(columns))}
	next := func() []byte {
		at, length := f.i64(buffers), f.i64(buffers+8)
		if n--; n < 0 || at < 0 || length < 0 || at > int64(len(body)) || length > int64(len(body))-at {
			f.bad = true
			return nil
		}
		buffers += 16
		return body[at : at+length]
	}
	for i, want := range columns {
		c := &b.columns[i]
		if c.valid = next(); len(c.valid) != 0 && (!want.nullable || int64(len(c.valid)) < (rows+7)/8) {
			return batch{}, errLayout
		}
		if want.width == 0 {
			c.offsets = next()
			f.bad = f.bad || int64(len(c.offsets)) < 4*(rows+1)
		}
		c.data = next()
		f.bad = f.bad || int64(len(c.data)) < int64(want.width)*rows
	}
	if f.bad {
		return batch{}, errLayout
	}
	return b, nil
}

func (c *column) null(row int) bool { return len(c.valid) > 0 && c.valid[row/8]>>(row%8)&1 == 0 }

func (c *column) u32(row int) uint32 { return binary.LittleEndian.Uint32(c.data[4*row:]) }

func (c *column) u64(row int) uint64 { return binary.LittleEndian.Uint64(c.data[8*row:]) }

// bytes returns a value that varies in size; false where its offsets make no sense.
func (c *column) bytes(row int) ([]byte, bool) {
	from, to := binary.LittleEndian.Uint32(c.offsets[4*row:]), binary.LittleEndian.Uint32(c.offsets[4*row+4:])
	if from > to || int64(to) > int64(len(c.data)) {
		return nil, false
	}
	return c.data[from:to:to], true
}
