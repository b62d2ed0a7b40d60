package probe

import (
	"bytes"
	"encoding/binary"
)

// JPEG markers (ITU-T T.81, table B.1).
const (
	markSOI  = 0xd8
	markEOI  = 0xd9
	markSOS  = 0xda
	markAPP1 = 0xe1
	markTEM  = 0x01
	markRST0 = 0xd0
	markRST7 = 0xd7
)

// readJPEG walks the markers up to the end marker: decoders fill what is missing with grey and only warn.
func readJPEG(b []byte) (Info, error) {
	var info Info
	rest := b[2:]
	scanned := false
	for {
		i := bytes.IndexByte(rest, 0xff)
		if i < 0 {
			return info, truncated("the end marker")
		}
		for i < len(rest) && rest[i] == 0xff {
			i++
		}
		if i == len(rest) {
			return info, truncated("the end marker")
		}
		mark := rest[i]
		rest = rest[i+1:]
		switch {
		case mark == markEOI:
			if info.W == 0 || !scanned {
				return info, corrupt("no picture before the end marker")
			}
			return info, nil
		case mark == 0, mark == markTEM, mark == markSOI, markRST0 <= mark && mark <= markRST7:
			continue // no length follows
		}
		if len(rest) < 2 {
			return info, truncated("the end marker")
		}
		n := int(binary.BigEndian.Uint16(rest))
		if n < 2 {
			return info, corrupt("marker %#x has length %d", mark, n)
		}
		if len(rest) < n {
			return info, truncated("the end marker")
		}
		body := rest[2:n]
		rest = rest[n:]
		switch {
		case isFrame(mark):
			if len(body) < 6 {
				return info, corrupt("frame header of %d bytes", len(body))
			}
			info.H, info.W = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
			if info.W == 0 || info.H == 0 {
				return info, corrupt("the frame header says %d x %d pixels", info.W, info.H)
			}
		case mark == markAPP1 && info.Orientation == 0:
			info.Orientation = orientation(body)
		case mark == markSOS:
			scanned = true
			// Between scans a marker can hide in a table only, so that a file that ends in an end marker has it: no need to look at each byte.
			if info.W > 0 && bytes.HasSuffix(rest, []byte{0xff, markEOI}) {
				return info, nil
			}
		}
	}
}

// isFrame reports whether a marker begins a frame header: SOF0 to SOF15 without the three of that range that are tables.
func isFrame(mark byte) bool {
	return 0xc0 <= mark && mark <= 0xcf && mark != 0xc4 && mark != 0xc8 && mark != 0xcc
}
