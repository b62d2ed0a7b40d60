package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/apache/arrow/go/v17/parquet/schema"
	"github.com/sourcegraph/conc/panics"
)

// Magic is what a Parquet file begins and ends with.
const Magic = "PAR1"

const (
	tailBytes = 8         // the footer's length and Magic
	maxFooter = 100 << 20 // more than any file that is not damaged has
)

// A File is an open Parquet file. It is used by one goroutine at a time.
type File struct {
	r    io.ReaderAt
	size int64
	meta *metadata.FileMetaData
	// Columns are the leaves of the schema.
	Columns []Column
	// Rows is the number of rows.
	Rows int64
}

// A Type is what the values of a column are, as far as images and their labels go.
type Type int

// Types of columns.
const (
	Other Type = iota // neither of those below
	Bytes             // byte arrays
	Int               // integers of up to 64 bits
)

// A Column is a leaf of the schema.
type Column struct {
	Path     []string // names from the root
	Type     Type
	Text     bool // Bytes that stand for something: mostly texts
	Repeated bool // it has any number of values a row
}

// Open reads the footer of a file of size bytes.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size}
	footer, err := f.footer()
	if err != nil {
		return nil, err
	}
	err = try(func() (err error) {
		f.meta, err = metadata.NewFileMetaData(footer, nil)
		if err == nil {
			err = f.readSchema()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("its footer of %d bytes is damaged: %w", len(footer), err)
	}
	return f, nil
}

// footer returns the metadata at the end of the file.
func (f *File) footer() ([]byte, error) {
	var tail [tailBytes]byte
	if f.size < int64(len(Magic))+tailBytes {
		return nil, fmt.Errorf("%d bytes are no Parquet file", f.size)
	}
	if err := f.readAt(tail[:], f.size-tailBytes); err != nil {
		return nil, err
	}
	if magic := string(tail[4:]); magic == "PARE" {
		return nil, errors.New("it is encrypted: write it without encryption")
	} else if magic != Magic {
		return nil, fmt.Errorf("it does not end in %q: it is truncated, or no Parquet file", Magic)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if n == 0 || n > maxFooter || n > f.size-tailBytes-int64(len(Magic)) {
		return nil, fmt.Errorf("its footer is damaged: %d bytes in a file of %d", n, f.size)
	}
	footer := make([]byte, n)
	return footer, f.readAt(footer, f.size-tailBytes-n)
}

// readAt fills b.
func (f *File) readAt(b []byte, offset int64) error {
	n, err := f.r.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (f *File) readSchema() error {
	f.Rows = f.meta.NumRows
	for i := range f.meta.Schema.NumColumns() {
		leaf := f.meta.Schema.Column(i)
		c := Column{Path: leaf.ColumnPath(), Repeated: leaf.MaxRepetitionLevel() > 0}
		switch leaf.PhysicalType() {
		case parquet.Types.ByteArray:
			c.Type = Bytes
			c.Text = leaf.ConvertedType() != schema.ConvertedTypes.None
		case parquet.Types.Int32, parquet.Types.Int64:
			c.Type = Int
		}
		f.Columns = append(f.Columns, c)
	}
	return nil
}

// Metadata returns a value that the writer added to the file; "" where there is none.
func (f *File) Metadata(key string) string {
	if v := f.meta.KeyValueMetadata().FindValue(key); v != nil {
		return *v
	}
	return ""
}

// A Value is one field of a row.
type Value struct {
	Null  bool
	Bytes []byte // of a column of Bytes, until the next row is read
	Int   int64  // of a column of Int
}

// Read yields the values of some columns, given by their places in Columns, row after row, until an error ends it. The slice belongs to
// the File.
func (f *File) Read(columns []int) iter.Seq2[[]Value, error] {
	return func(yield func([]Value, error) bool) {
		readers := make([]*columnReader, len(columns))
		for i, c := range columns {
			readers[i] = newColumnReader(f, c)
		}
		row, done := make([]Value, len(columns)), int64(0)
		for g := range f.meta.RowGroups {
			rows, err := f.startGroup(g, readers)
			if err != nil {
				yield(nil, fmt.Errorf("row group %d: %w", g, err))
				return
			}
			for range rows {
				for i, r := range readers {
					if err := r.next(&row[i]); err != nil {
						yield(nil, fmt.Errorf("row %d, column %s: %w", done, f.meta.Schema.Column(columns[i]).Path(), err))
						return
					}
				}
				if done++; !yield(row, nil) {
					return
				}
			}
		}
		if done != f.Rows {
			yield(nil, fmt.Errorf("%d rows, not the %d that its footer tells", done, f.Rows))
		}
	}
}

// startGroup has the readers begin with a row group, and returns the number of its rows.
func (f *File) startGroup(g int, readers []*columnReader) (rows int64, err error) {
	err = try(func() error {
		group := f.meta.RowGroup(g)
		rows = group.NumRows()
		for _, r := range readers {
			chunk, err := group.ColumnChunk(r.index)
			if err == nil {
				err = r.start(chunk, rows)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return rows, err
}

// try makes errors of the panics by which Arrow's packages answer to some damage.
func try(f func() error) (err error) {
	if caught := panics.Try(func() { err = f() }); caught != nil {
		return fmt.Errorf("%v", caught.Value)
	}
	return err
}
