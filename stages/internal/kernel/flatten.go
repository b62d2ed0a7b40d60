package kernel

// Flatten writes RGBA pixels, alpha not multiplied in, to dst as they look on white.
func Flatten(dst, rgba []byte) {
	for len(rgba) >= 4 {
		alpha := int(rgba[3])
		for c := range 3 {
			dst[c] = byte((int(rgba[c])*alpha + 255*(255-alpha) + 127) / 255)
		}
		dst, rgba = dst[3:], rgba[4:]
	}
}
