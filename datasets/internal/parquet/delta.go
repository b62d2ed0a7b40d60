package parquet

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v17/parquet"
)

// A delta reads integers that are stored as packed differences, in blocks of several miniblocks with a width each.
type delta struct {
	bits    bitReader
	minis   uint64 // miniblocks in a block
	each    uint64 // numbers in a miniblock
	left    uint64 // numbers that are not read yet
	value   int64  // the number to read next, or the one before
	started bool
	least   int64
	widths  []byte // of the miniblocks of the block that are not begun
	width   int
	inBlock uint64 // numbers left in the miniblock
}

// newDelta begins with a sequence of at most most numbers.
func newDelta(b []byte, most int64) (*delta, error) {
	var block, minis, n, first uint64
	for _, to := range []*uint64{&block, &minis, &n, &first} {
		var err error
		if *to, b, err = takeUvarint(b); err != nil {
			return nil, err
		}
	}
	if block == 0 || block > 1<<20 || minis == 0 || minis > block || block%minis != 0 || n > uint64(most) {
		return nil, fmt.Errorf("%d differences in blocks of %d, %d miniblocks each", n, block, minis)
	}
	return &delta{bits: bitReader{b: b}, minis: minis, each: block / minis, left: n, value: zigzag(first)}, nil
}

func zigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

func (d *delta) next() (int64, error) {
	if d.left == 0 {
		return 0, errShort
	}
	d.left--
	if !d.started {
		d.started = true
		return d.value, nil
	}
	if d.inBlock == 0 {
		if err := d.mini(); err != nil {
			return 0, err
		}
	}
	d.inBlock--
	difference, err := d.bits.take(d.width)
	d.value += d.least + int64(difference)
	return d.value, err
}

// mini begins with the next miniblock.
func (d *delta) mini() error {
	if len(d.widths) == 0 {
		least, rest, err := takeUvarint(d.bits.b)
		if err != nil || d.minis > uint64(len(rest)) {
			return errShort
		}
		d.least, d.widths, d.bits = zigzag(least), rest[:d.minis], bitReader{b: rest[d.minis:]}
	}
	d.width, d.widths, d.inBlock = int(d.widths[0]), d.widths[1:], d.each
	if d.width > 64 {
		return fmt.Errorf("a difference of %d bits", d.width)
	}
	return nil
}

// rest returns the bytes behind the numbers, all of which have been read: a miniblock is stored whole.
func (d *delta) rest() ([]byte, error) {
	for ; d.inBlock > 0; d.inBlock-- {
		if _, err := d.bits.take(d.width); err != nil {
			return nil, err
		}
	}
	return d.bits.b, nil
}

// takeDeltas takes lengths of at most most values from the start of b.
func takeDeltas(b []byte, most int64) (lengths []int32, rest []byte, err error) {
	d, err := newDelta(b, most)
	if err != nil {
		return nil, nil, err
	}
	for d.left > 0 {
		n, err := d.next()
		if err != nil {
			return nil, nil, err
		}
		if n < 0 || n > math.MaxInt32 {
			return nil, nil, fmt.Errorf("a value of %d bytes", n)
		}
		lengths = append(lengths, int32(n))
	}
	rest, err = d.rest()
	return lengths, rest, err
}

// A deltaDecoder reads integers.
type deltaDecoder struct {
	*delta
	kind parquet.Type
}

func (d *deltaDecoder) next(v *Value) (err error) {
	v.Int, err = d.delta.next()
	if d.kind == parquet.Types.Int32 {
		v.Int = int64(int32(v.Int)) // differences go round
	}
	return err
}

// A lengthDecoder reads byte arrays whose lengths stand before them all.
type lengthDecoder struct {
	lengths []int32
	b       []byte
}

func (d *lengthDecoder) next(v *Value) error {
	if len(d.lengths) == 0 || int64(d.lengths[0]) > int64(len(d.b)) {
		return errShort
	}
	n := d.lengths[0]
	v.Bytes, d.b, d.lengths = d.b[:n:n], d.b[n:], d.lengths[1:]
	return nil
}

// A prefixDecoder reads byte arrays that begin as the one before does.
type prefixDecoder struct {
	prefixes []int32
	suffixes lengthDecoder
	last     []byte
}

func (d *prefixDecoder) next(v *Value) error {
	if err := d.suffixes.next(v); err != nil {
		return err
	}
	if len(d.prefixes) == 0 || int(d.prefixes[0]) > len(d.last) {
		return errShort
	}
	d.last = append(d.last[:d.prefixes[0]], v.Bytes...)
	v.Bytes, d.prefixes = d.last, d.prefixes[1:]
	return nil
}
