package tiff

import "encoding/binary"

// EncodeRGB returns an uncompressed TIFF file of w by h pixels of 8-bit RGB, in one strip: the way to hand pixels to a library
// that takes files only. The pixels must be less than 4 GiB.
func EncodeRGB(pix []byte, w, h int) []byte {
	const (
		short, long = 3, 4 // types of values
		entries     = 10
		depths      = 8 + 2 + 12*entries + 4 // where the three values of BitsPerSample are, which do not fit into their entry
		pixels      = depths + 3*2
	)
	order := binary.LittleEndian
	b := make([]byte, 0, pixels+len(pix))
	b = append(b, "II*\x00"...)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, entries)
	for _, e := range [entries]struct{ tag, kind, n, value int }{
		{Width, long, 1, w},
		{Height, long, 1, h},
		{BitsPerSample, short, 3, depths},
		{Compression, long, 1, CompressionNone},
		{Photometric, long, 1, PhotometricRGB},
		{StripOffsets, long, 1, pixels},
		{SamplesPerPixel, long, 1, 3},
		{RowsPerStrip, long, 1, h},
		{StripBytes, long, 1, len(pix)},
		{Planar, long, 1, PlanarInterleaved},
	} {
		b = order.AppendUint16(b, uint16(e.tag))
		b = order.AppendUint16(b, uint16(e.kind))
		b = order.AppendUint32(b, uint32(e.n))
		b = order.AppendUint32(b, uint32(e.value))
	}
	b = order.AppendUint32(b, 0) // no further directory
	for range 3 {
		b = order.AppendUint16(b, 8)
	}
	return append(b, pix...)
}
