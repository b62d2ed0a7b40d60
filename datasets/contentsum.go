package datasets

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"
)

// A contentSum names a set of rows: the sum of their SHA-256, as numbers of 256 bits. It is the same for any order and any cut.
type contentSum [4]uint64

const contentPrefix = "sha256-sum:"

// rowDigest is the SHA-256 of a row, given that of its image.
func rowDigest(r *row, image [sha256.Size]byte) (sum [sha256.Size]byte) {
	d := newDigest("row")
	d.text(r.key)
	d.number(uint64(int64(r.label)))
	d.bytes(image[:])
	d.h.Sum(sum[:0])
	return sum
}

func (s *contentSum) addRow(digest [sha256.Size]byte) { s.add(numberOf(digest)) }

func (s *contentSum) subtractRow(digest [sha256.Size]byte) {
	other := numberOf(digest)
	var borrow uint64
	for i := range s {
		s[i], borrow = bits.Sub64(s[i], other[i], borrow)
	}
}

// numberOf is a digest as a number, little-endian.
func numberOf(digest [sha256.Size]byte) (n contentSum) {
	for i := range n {
		n[i] = binary.LittleEndian.Uint64(digest[8*i:])
	}
	return n
}

func (s *contentSum) add(other contentSum) {
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], other[i], carry)
	}
}

// MarshalText implements encoding.TextMarshaler.
func (s contentSum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s contentSum) String() string {
	var b []byte
	for _, n := range s {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return contentPrefix + hex.EncodeToString(b)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *contentSum) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), contentPrefix)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != sha256.Size {
		return fmt.Errorf("%q is no sum of rows", text)
	}
	for i := range s {
		s[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return nil
}
