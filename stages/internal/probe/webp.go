package probe

import "encoding/binary"

func isWebP(b []byte) bool { return len(b) >= 12 && prefix("RIFF")(b) && prefix("WEBP")(b[8:]) }

// readWebP walks the chunks of the RIFF container (RFC 9649, section 2).
func readWebP(b []byte) (Info, error) {
	var info Info
	short := truncated("the end of its RIFF container")
	size := int(binary.LittleEndian.Uint32(b[4:]))
	if size > len(b)-8 {
		return info, short
	}
	rest := b[12:max(12, 8+size)]
	for len(rest) >= 8 {
		kind, n := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		if n > len(rest)-8 {
			return info, short
		}
		body := rest[8 : 8+n]
		switch {
		case kind == "EXIF":
			info.Orientation = orientation(body)
		case info.W > 0: // the size is known from an earlier chunk
		case kind == "VP8X" && n >= 10:
			info.W, info.H = 1+uint24(body[4:]), 1+uint24(body[7:])
		case kind == "VP8L" && n >= 5:
			v := binary.LittleEndian.Uint32(body[1:])
			info.W, info.H = 1+int(v&0x3fff), 1+int(v>>14&0x3fff)
		case kind == "VP8 " && n >= 10:
			info.W = int(binary.LittleEndian.Uint16(body[6:]) & 0x3fff)
			info.H = int(binary.LittleEndian.Uint16(body[8:]) & 0x3fff)
		}
		rest = rest[min(8+n+n&1, len(rest)):]
	}
	return info, nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
