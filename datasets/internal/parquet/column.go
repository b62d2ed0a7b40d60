package parquet

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/apache/arrow/go/v17/parquet/schema"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	readBuffer = 64 << 10 // bytes; a page that is larger is read past it
	maxPage    = 1<<31 - 1
	smallPage  = 64 << 20                // bytes that a page may have whatever the footer says of it
	lz4Raw     = compress.Compression(7) // which package compress does not know
)

// A columnReader reads the values of one column, a page at a time.
type columnReader struct {
	f     *File
	index int // of the column
	leaf  *schema.Column
	in    *bufio.Reader
	codec compress.Compression
	rows  int64 // that the pages of this row group have left
	// The most bytes that a page may have, as stored and unpacked.
	mostPacked, mostUnpacked int64

	packed, page []byte // the page as stored and unpacked, used again for the next
	left         int64  // values of the page that are not read yet
	levels       levels
	dictionary   []Value
	values       decoder
}

// newColumnReader returns a reader that must be started.
func newColumnReader(f *File, index int) *columnReader {
	return &columnReader{f: f, index: index, leaf: f.meta.Schema.Column(index), in: bufio.NewReaderSize(nil, readBuffer)}
}

// start begins with the part of the column in a row group of so many rows.
func (c *columnReader) start(chunk *metadata.ColumnChunkMetaData, rows int64) error {
	name := c.leaf.Path()
	from, n := chunk.DataPageOffset(), chunk.TotalCompressedSize()
	if d := chunk.DictionaryPageOffset(); chunk.HasDictionaryPage() && d > 0 && d < from {
		from = d
	}
	switch {
	case chunk.CryptoMetadata() != nil:
		return fmt.Errorf("column %s is encrypted: write it without encryption", name)
	case chunk.FilePath() != "":
		return fmt.Errorf("column %s lies in another file, %s: write one file", name, chunk.FilePath())
	case rows < 0 || chunk.NumValues() != rows:
		return fmt.Errorf("column %s has %d values in %d rows", name, chunk.NumValues(), rows)
	case from < 0 || n < 0 || from > c.f.size || n > c.f.size-from:
		return fmt.Errorf("column %s has %d bytes at byte %d of a file of %d: it is truncated or damaged", name, n, from, c.f.size)
	}
	c.in.Reset(io.NewSectionReader(c.f.r, from, n))
	c.codec, c.rows = chunk.Compression(), rows
	c.mostPacked, c.mostUnpacked = n, min(max(chunk.TotalUncompressedSize(), smallPage), maxPage)
	c.left, c.dictionary = 0, nil
	return nil
}

// next reads the value of the next row.
func (c *columnReader) next(v *Value) error {
	for c.left == 0 {
		if err := c.nextPage(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	c.left--
	*v = Value{}
	if most := c.leaf.MaxDefinitionLevel(); most > 0 {
		level, err := c.levels.next()
		if err != nil {
			return err
		}
		if level > uint64(most) {
			return fmt.Errorf("level %d of %d", level, most)
		}
		if v.Null = level < uint64(most); v.Null {
			return nil
		}
	}
	return c.values.next(v)
}

// nextPage reads a page of values, or a dictionary.
func (c *columnReader) nextPage() error {
	h, err := readHeader(c.in)
	if err != nil {
		return err
	}
	if h.values < 0 || h.uncompressed < 0 || h.compressed < 0 || h.definition < 0 || h.repetition < 0 {
		return errHeader
	}
	// A bit that is flipped in a header must not ask for memory.
	if h.compressed > c.mostPacked || h.uncompressed > c.mostUnpacked {
		return fmt.Errorf("a page of %d bytes, %d unpacked, is more than the whole column has", h.compressed, h.uncompressed)
	}
	c.packed = slices.Grow(c.packed[:0], int(h.compressed))[:h.compressed]
	if _, err := io.ReadFull(c.in, c.packed); err != nil {
		return err
	}
	if h.hasCRC && crc32.ChecksumIEEE(c.packed) != uint32(h.crc) {
		return errors.New("the checksum of a page does not match")
	}
	switch h.kind {
	case dictionaryPage:
		return c.readDictionary(h)
	case dataPage, dataPageV2:
		return c.readData(h)
	}
	return nil // an index
}

// readDictionary takes the values that later pages refer to. Its bytes stay with it.
func (c *columnReader) readDictionary(h pageHeader) error {
	page := make([]byte, h.uncompressed)
	if err := unpack(page, c.packed, c.codec); err != nil {
		return err
	}
	if c.dictionary != nil {
		return errors.New("two dictionaries")
	}
	plain := &plainDecoder{b: page, kind: c.leaf.PhysicalType()}
	c.dictionary = []Value{}
	for range h.values {
		var v Value
		if err := plain.next(&v); err != nil {
			return fmt.Errorf("dictionary: %w", err)
		}
		c.dictionary = append(c.dictionary, v)
	}
	return nil
}

// readData takes a page apart: levels, then values.
func (c *columnReader) readData(h pageHeader) error {
	if c.rows -= h.values; c.rows < 0 {
		return errors.New("more values than rows")
	}
	c.page = slices.Grow(c.page[:0], int(h.uncompressed))[:h.uncompressed]
	// The levels of a dataPageV2 stand before what is compressed.
	levels := h.definition + h.repetition
	if h.kind == dataPage {
		levels = 0
	}
	if levels > h.compressed || levels > h.uncompressed {
		return errHeader
	}
	copy(c.page, c.packed[:levels])
	codec := c.codec
	if h.plain {
		codec = compress.Codecs.Uncompressed
	}
	if err := unpack(c.page[levels:], c.packed[levels:], codec); err != nil {
		return err
	}
	b, err := c.takeLevels(h)
	if err != nil {
		return err
	}
	c.left = h.values
	c.values, err = c.newDecoder(parquet.Encoding(h.encoding), b, h.values)
	return err
}

// takeLevels begins to read the levels of a page, and returns its values.
func (c *columnReader) takeLevels(h pageHeader) (values []byte, err error) {
	b := c.page
	most := c.leaf.MaxDefinitionLevel()
	n := uint64(h.definition)
	switch {
	case h.kind == dataPageV2:
		b = b[h.repetition:]
	case most == 0:
		return b, nil
	case parquet.Encoding(h.levelEncoding) != parquet.Encodings.RLE:
		return nil, fmt.Errorf("its levels are encoded as %v: only RLE can be read", parquet.Encoding(h.levelEncoding))
	default:
		if n, b, err = takeU32(b); err != nil {
			return nil, err
		}
	}
	if n > uint64(len(b)) {
		return nil, errShort
	}
	c.levels = newLevels(b[:n], bits.Len16(uint16(most)))
	return b[n:], nil
}

// zstdDecoder unpacks into the room it is given and no more: a page of a few bytes can be made to unpack to any number.
var zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true))
})

// unpack fills page with what packed holds.
func unpack(page, packed []byte, codec compress.Compression) error {
	n := 0
	err := try(func() (err error) {
		switch codec {
		case compress.Codecs.Uncompressed:
			copy(page, packed)
			n = len(packed)
		case compress.Codecs.Zstd:
			z, err := zstdDecoder()
			if err != nil {
				return err
			}
			b, err := z.DecodeAll(packed, page[:0:len(page)])
			n = len(b)
			return err
		case lz4Raw:
			n, err = lz4.UncompressBlock(packed, page)
		default:
			z, err := compress.GetCodec(codec)
			if err != nil {
				return err
			}
			b := page
			if len(page) > 0 {
				b = z.Decode(page, packed)
			}
			n = len(b)
			if n == len(page) && n > 0 && &b[0] != &page[0] {
				copy(page, b)
			}
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("unpack a page (%v): %w", codec, err)
	}
	if n != len(page) {
		return fmt.Errorf("a page unpacks to %d bytes, not to the %d of its header", n, len(page))
	}
	return nil
}
