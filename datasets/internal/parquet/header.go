package parquet

import (
	"bufio"
	"encoding/binary"
	"errors"
)

// Kinds of pages.
const (
	dataPage       = 0
	dictionaryPage = 2
	dataPageV2     = 3
)

// A pageHeader is what stands before a page.
type pageHeader struct {
	kind                     int64
	uncompressed, compressed int64 // bytes
	crc                      int64 // of the page as it is stored
	hasCRC                   bool
	values                   int64
	encoding                 int64
	levelEncoding            int64 // of a dataPage
	definition, repetition   int64 // bytes of levels, of a dataPageV2
	plain                    bool  // a dataPageV2 that is not compressed
}

// readHeader reads the header of a page: a struct in Thrift's compact encoding.
func readHeader(r *bufio.Reader) (h pageHeader, err error) {
	c := compact{r: r}
	c.fields(func(field int16, kind byte) {
		switch field {
		case 1:
			h.kind = c.integer(kind)
		case 2:
			h.uncompressed = c.integer(kind)
		case 3:
			h.compressed = c.integer(kind)
		case 4:
			h.crc, h.hasCRC = c.integer(kind), true
		case 5:
			c.integers(kind, map[int16]*int64{1: &h.values, 2: &h.encoding, 3: &h.levelEncoding})
		case 7:
			c.integers(kind, map[int16]*int64{1: &h.values, 2: &h.encoding})
		case 8:
			c.within(kind, func(field int16, kind byte) {
				if field == 7 {
					h.plain = kind == compactFalse
					return
				}
				c.integerField(field, kind, map[int16]*int64{1: &h.values, 4: &h.encoding, 5: &h.definition, 6: &h.repetition})
			})
		default:
			c.skip(kind)
		}
	})
	return h, c.err
}

// Types of Thrift's compact encoding.
const (
	compactTrue   = 1
	compactFalse  = 2
	compactByte   = 3
	compactI16    = 4
	compactI32    = 5
	compactI64    = 6
	compactDouble = 7
	compactBinary = 8
	compactStruct = 12
)

var errHeader = errors.New("no valid header of a page")

// A compact reads Thrift's compact encoding. After an error it reads zeros.
type compact struct {
	r     *bufio.Reader
	depth int
	err   error
}

func (c *compact) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *compact) byte() byte {
	if c.err != nil {
		return 0
	}
	b, err := c.r.ReadByte()
	if err != nil {
		c.fail(err)
	}
	return b
}

func (c *compact) uvarint() uint64 {
	if c.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(c.r)
	if err != nil {
		c.fail(err)
		return 0
	}
	return n
}

func (c *compact) zigzag() int64 { return zigzag(c.uvarint()) }

// integer reads a value that must be an integer.
func (c *compact) integer(kind byte) int64 {
	if kind != compactI16 && kind != compactI32 && kind != compactI64 {
		c.fail(errHeader)
		return 0
	}
	return c.zigzag()
}

// integers reads a value that must be a struct, of which it wants some fields, which are integers.
func (c *compact) integers(kind byte, wanted map[int16]*int64) {
	c.within(kind, func(field int16, kind byte) { c.integerField(field, kind, wanted) })
}

// integerField reads a field of a struct into its place, or passes over it.
func (c *compact) integerField(field int16, kind byte, wanted map[int16]*int64) {
	if to, ok := wanted[field]; ok {
		*to = c.integer(kind)
		return
	}
	c.skip(kind)
}

// within visits the fields of a value that must be a struct.
func (c *compact) within(kind byte, visit func(field int16, kind byte)) {
	if kind != compactStruct {
		c.fail(errHeader)
		return
	}
	c.fields(visit)
}

// maxDepth is more than structs are nested in a header.
const maxDepth = 16

// fields calls visit for the fields of a struct; it must read or skip the value.
func (c *compact) fields(visit func(field int16, kind byte)) {
	if c.depth++; c.depth > maxDepth {
		c.fail(errHeader)
	}
	for field := int16(0); c.err == nil; {
		b := c.byte()
		if b == 0 {
			break
		}
		if delta := int16(b >> 4); delta != 0 {
			field += delta
		} else {
			field = int16(c.zigzag())
		}
		if c.err == nil {
			visit(field, b&15)
		}
	}
	c.depth--
}

// skip reads a value that is not wanted.
func (c *compact) skip(kind byte) {
	switch kind {
	case compactTrue, compactFalse: // the type is the value
	case compactByte:
		c.byte()
	case compactI16, compactI32, compactI64:
		c.uvarint()
	case compactDouble:
		c.discard(8)
	case compactBinary:
		c.discard(c.uvarint())
	case compactStruct:
		c.fields(func(_ int16, kind byte) { c.skip(kind) })
	default: // the statistics of a page have no lists and maps
		c.fail(errHeader)
	}
}

func (c *compact) discard(n uint64) {
	if n > maxPage {
		c.fail(errHeader)
	}
	if c.err != nil {
		return
	}
	if _, err := c.r.Discard(int(n)); err != nil {
		c.fail(err)
	}
}
