package probe

import "encoding/binary"

func isGIF(b []byte) bool { return prefix("GIF87a")(b) || prefix("GIF89a")(b) }

// readGIF walks the blocks up to the end of the first frame, the one that is decoded.
func readGIF(b []byte) (Info, error) {
	var info Info
	short := truncated("the end of the first frame")
	if len(b) < 13 {
		return info, short
	}
	info.W, info.H = int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
	at := 13 + colourTable(b[10])
	for {
		if at >= len(b) {
			return info, short
		}
		switch b[at] {
		case 0x21: // extension: a label and sub-blocks
			next, ok := skipSubBlocks(b, at+2)
			if !ok {
				return info, short
			}
			at = next
		case 0x2c: // frame
			if at+10 > len(b) {
				return info, short
			}
			d := b[at+1:]
			x, y := int(binary.LittleEndian.Uint16(d)), int(binary.LittleEndian.Uint16(d[2:]))
			w, h := int(binary.LittleEndian.Uint16(d[4:])), int(binary.LittleEndian.Uint16(d[6:]))
			// A frame may be larger than the screen it is shown on.
			info.W, info.H = max(info.W, x+w), max(info.H, y+h)
			if _, ok := skipSubBlocks(b, at+10+colourTable(d[8])+1); !ok {
				return info, short
			}
			return info, nil
		case 0x3b:
			return info, corrupt("no frame before the trailer")
		default:
			return info, corrupt("unknown block %#x", b[at])
		}
	}
}

// colourTable returns the bytes of the colour table that a flags byte announces.
func colourTable(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

func skipSubBlocks(b []byte, at int) (next int, ok bool) {
	for at < len(b) {
		n := int(b[at])
		at += 1 + n
		if n == 0 {
			return at, true
		}
	}
	return 0, false
}
