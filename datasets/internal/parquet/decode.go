package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v17/parquet"
)

var errShort = errors.New("a page ends early")

// A decoder reads the values of a page, nulls left out.
type decoder interface {
	next(v *Value) error
}

// newDecoder returns a decoder of at most n values.
func (c *columnReader) newDecoder(encoding parquet.Encoding, b []byte, n int64) (decoder, error) {
	kind := c.leaf.PhysicalType()
	switch {
	case encoding == parquet.Encodings.Plain:
		return &plainDecoder{b: b, kind: kind}, nil
	case encoding == parquet.Encodings.RLEDict || encoding == parquet.Encodings.PlainDict:
		return newDictionaryDecoder(b, c.dictionary)
	case encoding == parquet.Encodings.DeltaBinaryPacked && kind != parquet.Types.ByteArray:
		d, err := newDelta(b, n)
		return &deltaDecoder{d, kind}, err
	case encoding == parquet.Encodings.DeltaLengthByteArray && kind == parquet.Types.ByteArray:
		lengths, b, err := takeDeltas(b, n)
		return &lengthDecoder{lengths: lengths, b: b}, err
	case encoding == parquet.Encodings.DeltaByteArray && kind == parquet.Types.ByteArray:
		prefixes, b, err := takeDeltas(b, n)
		if err != nil {
			return nil, err
		}
		lengths, b, err := takeDeltas(b, n)
		return &prefixDecoder{prefixes: prefixes, suffixes: lengthDecoder{lengths: lengths, b: b}}, err
	}
	return nil, fmt.Errorf("%v values in encoding %v cannot be read: write the column in PLAIN or by a dictionary", kind, encoding)
}

// takeU32 takes a number from the start of b.
func takeU32(b []byte) (n uint64, rest []byte, err error) {
	if len(b) < 4 {
		return 0, nil, errShort
	}
	return uint64(binary.LittleEndian.Uint32(b)), b[4:], nil
}

// takeUvarint takes a number from the start of b.
func takeUvarint(b []byte) (n uint64, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, errShort
	}
	return n, b[size:], nil
}

// A plainDecoder reads values that stand one behind another.
type plainDecoder struct {
	b    []byte
	kind parquet.Type
}

func (d *plainDecoder) next(v *Value) error {
	switch d.kind {
	case parquet.Types.ByteArray:
		n, rest, err := takeU32(d.b)
		if err != nil || n > uint64(len(rest)) {
			return errShort
		}
		v.Bytes, d.b = rest[:n:n], rest[n:]
	case parquet.Types.Int32:
		n, rest, err := takeU32(d.b)
		if err != nil {
			return err
		}
		v.Int, d.b = int64(int32(n)), rest
	case parquet.Types.Int64:
		if len(d.b) < 8 {
			return errShort
		}
		v.Int, d.b = int64(binary.LittleEndian.Uint64(d.b)), d.b[8:]
	default:
		return fmt.Errorf("values of type %v cannot be read", d.kind)
	}
	return nil
}

// A bitReader reads numbers of any width up to 64 bits, the lowest bit first.
type bitReader struct {
	b    []byte
	have int    // bits of the number that begins in
	acc  uint64 // the bits that were taken from b and not used
}

func (r *bitReader) take(width int) (uint64, error) {
	var n uint64
	for got := 0; got < width; {
		if r.have == 0 {
			if len(r.b) == 0 {
				return 0, errShort
			}
			r.acc, r.have, r.b = uint64(r.b[0]), 8, r.b[1:]
		}
		k := min(width-got, r.have)
		n |= (r.acc & (1<<k - 1)) << got
		r.acc >>= k
		r.have -= k
		got += k
	}
	return n, nil
}

// levels reads numbers in the hybrid of runs and packed bits in which Parquet stores levels and places in dictionaries.
type levels struct {
	width  int
	bits   bitReader
	left   uint64 // numbers of the run
	packed bool
	value  uint64 // of a run that is not packed
}

func newLevels(b []byte, width int) levels { return levels{width: width, bits: bitReader{b: b}} }

func (l *levels) next() (uint64, error) {
	for l.left == 0 {
		if err := l.run(); err != nil {
			return 0, err
		}
	}
	l.left--
	if l.packed {
		return l.bits.take(l.width)
	}
	return l.value, nil
}

// run begins with the next run.
func (l *levels) run() error {
	n, rest, err := takeUvarint(l.bits.b)
	if err != nil {
		return err
	}
	l.bits = bitReader{b: rest}
	if n>>1 > math.MaxInt32 {
		return errShort
	}
	l.left, l.packed = n>>1, n&1 != 0
	if l.packed {
		l.left *= 8
		return nil
	}
	l.value, err = l.bits.take((l.width + 7) / 8 * 8)
	return err
}

// A dictionaryDecoder reads values by their places in a dictionary.
type dictionaryDecoder struct {
	places     levels
	dictionary []Value
}

func newDictionaryDecoder(b []byte, dictionary []Value) (decoder, error) {
	if dictionary == nil {
		return nil, errors.New("its dictionary is missing")
	}
	d := &dictionaryDecoder{dictionary: dictionary}
	if len(b) > 0 { // else all values are null
		if b[0] > 32 {
			return nil, fmt.Errorf("places of %d bits in a dictionary", b[0])
		}
		d.places = newLevels(b[1:], int(b[0]))
	}
	return d, nil
}

func (d *dictionaryDecoder) next(v *Value) error {
	place, err := d.places.next()
	if err != nil {
		return err
	}
	if place >= uint64(len(d.dictionary)) {
		return fmt.Errorf("value %d of a dictionary of %d", place, len(d.dictionary))
	}
	*v = d.dictionary[place]
	return nil
}
