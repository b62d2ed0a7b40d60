package probe

import (
	"encoding/binary"
	"hash/crc32"
)

// readPNG walks the chunks up to IEND and checks their sums, also of those that a decoder could do without (PNG, section 5): the orientation is
// in one of them, and so is what is transparent, and the name of a chunk may be what has changed.
func readPNG(b []byte) (Info, error) {
	var info Info
	rest := b[8:]
	for first := true; ; first = false {
		if len(rest) < 12 {
			return info, truncated("the IEND chunk")
		}
		n := int(binary.BigEndian.Uint32(rest))
		kind := string(rest[4:8])
		if first && (kind != "IHDR" || n != 13) {
			return info, corrupt("the first chunk is %q and not IHDR", kind)
		}
		if n > len(rest)-12 {
			return info, truncated("the IEND chunk")
		}
		body := rest[8 : 8+n]
		if crc32.ChecksumIEEE(rest[4:8+n]) != binary.BigEndian.Uint32(rest[8+n:]) {
			return info, corrupt("the checksum of chunk %q is wrong", kind)
		}
		switch kind {
		case "IHDR":
			info.W, info.H = int(binary.BigEndian.Uint32(body)), int(binary.BigEndian.Uint32(body[4:]))
		case "eXIf":
			info.Orientation = orientation(body)
		case "IEND":
			return info, nil
		}
		rest = rest[12+n:]
	}
}
