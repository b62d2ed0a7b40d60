// Package tiff reads the first directory of a TIFF file (TIFF 6.0, section 2), the structure that EXIF blocks share, and writes
// the plainest of such files.
package tiff

import "encoding/binary"

// Tags and values that goclr looks at (TIFF 6.0, section 8).
const (
	Width           = 256
	Height          = 257
	BitsPerSample   = 258
	Compression     = 259
	Photometric     = 262
	StripOffsets    = 273
	Orientation     = 274
	SamplesPerPixel = 277
	RowsPerStrip    = 278
	StripBytes      = 279
	Planar          = 284
	TileOffsets     = 324
	TileBytes       = 325

	CompressionNone   = 1
	PhotometricRGB    = 2
	PlanarInterleaved = 1
)

// Is reports whether b begins like a TIFF file.
func Is(b []byte) bool {
	return len(b) >= 4 && (string(b[:4]) == "II*\x00" || string(b[:4]) == "MM\x00*")
}

// A Dir is a directory: entries of 12 bytes that point into the file.
type Dir struct {
	file    []byte
	entries []byte
	order   binary.ByteOrder
}

// Open returns the first directory of b, or false where b is no TIFF file or the directory does not lie in it.
func Open(b []byte) (Dir, bool) {
	if len(b) < 8 || !Is(b) {
		return Dir{}, false
	}
	d := Dir{file: b, order: binary.LittleEndian}
	if b[0] == 'M' {
		d.order = binary.BigEndian
	}
	at := int(d.order.Uint32(b[4:]))
	if at+2 > len(b) {
		return Dir{}, false
	}
	n := int(d.order.Uint16(b[at:]))
	if at+2+12*n > len(b) {
		return Dir{}, false
	}
	d.entries = b[at+2 : at+2+12*n]
	return d, true
}

// A Field is the list of the values of one tag.
type Field struct {
	order binary.ByteOrder
	n     int
	size  int    // bytes a value
	data  []byte // where the values begin; nil if that lies outside the file
}

// Find returns the values of a tag; none where the directory lacks it or they are not 16 or 32 bit integers.
func (d Dir) Find(tag int) Field {
	for e := d.entries; len(e) >= 12; e = e[12:] {
		if int(d.order.Uint16(e)) != tag {
			continue
		}
		f := Field{order: d.order, n: int(d.order.Uint32(e[4:]))}
		switch d.order.Uint16(e[2:]) {
		case 3:
			f.size = 2
		case 4:
			f.size = 4
		default:
			return Field{}
		}
		f.data = e[8:12]
		if f.n*f.size > 4 {
			f.data = nil
			if at := int(d.order.Uint32(e[8:])); at < len(d.file) {
				f.data = d.file[at:]
			}
		}
		return f
	}
	return Field{}
}

// Len is the number of values that the directory promises.
func (f Field) Len() int { return f.n }

// Value returns value i; false where it lies outside the file.
func (f Field) Value(i int) (int, bool) {
	if (i+1)*f.size > len(f.data) {
		return 0, false
	}
	if f.size == 2 {
		return int(f.order.Uint16(f.data[2*i:])), true
	}
	return int(f.order.Uint32(f.data[4*i:])), true
}

// First returns the first value of a tag, 0 where there is none.
func (d Dir) First(tag int) int {
	f := d.Find(tag)
	if f.n == 0 {
		return 0
	}
	v, _ := f.Value(0)
	return v
}

// Blocks calls yield with each block of pixels that the fields of offsets and sizes name, strips or tiles, in their order. It
// returns false where one of them does not lie in the file.
func (d Dir) Blocks(offsets, sizes int, yield func(block []byte)) bool {
	at, size := d.Find(offsets), d.Find(sizes)
	for i := range min(at.n, size.n) {
		from, fok := at.Value(i)
		n, nok := size.Value(i)
		if !fok || !nok || from+n > len(d.file) {
			return false
		}
		yield(d.file[from : from+n])
	}
	return true
}
