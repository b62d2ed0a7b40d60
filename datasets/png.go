package datasets

import (
	"encoding/binary"
	"hash/adler32"
	"hash/crc32"
)

// appendPNG appends an RGB image of n by n pixels, given as three planes one after the other, as an uncompressed PNG. Raw
// pixels become an image that every decoder reads, without loss, and with bytes that no release of a compressor changes.
// At most 128 by 128 pixels fit into its single stored block of deflate.
func appendPNG(b []byte, planes []byte, n int) []byte {
	b = append(b, "\x89PNG\r\n\x1a\n"...)
	head := binary.BigEndian.AppendUint32(nil, uint32(n))
	head = binary.BigEndian.AppendUint32(head, uint32(n))
	head = append(head, 8, 2, 0, 0, 0) // 8 bits, RGB
	b = appendChunk(b, "IHDR", func(b []byte) []byte { return append(b, head...) })
	b = appendChunk(b, "IDAT", func(b []byte) []byte {
		size := n * (1 + 3*n)
		b = append(b, 0x78, 0x01, 1) // zlib; one last block, stored
		b = binary.LittleEndian.AppendUint16(b, uint16(size))
		b = binary.LittleEndian.AppendUint16(b, ^uint16(size))
		from := len(b)
		for y := range n {
			b = append(b, 0) // no filter
			for x := range n {
				p := y*n + x
				b = append(b, planes[p], planes[p+n*n], planes[p+2*n*n])
			}
		}
		return binary.BigEndian.AppendUint32(b, adler32.Checksum(b[from:]))
	})
	return appendChunk(b, "IEND", func(b []byte) []byte { return b })
}

func appendChunk(b []byte, kind string, content func([]byte) []byte) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = content(append(b, kind...))
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-8))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[at+4:]))
}
