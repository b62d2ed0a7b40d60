package kernel

// Flip mirrors an image w pixels wide from left to right, in place.
func Flip(pix []byte, w int) {
	for ; len(pix) > 0; pix = pix[3*w:] {
		row := pix[:3*w]
		for i, j := 0, len(row)-3; i < j; i, j = i+3, j-3 {
			a, b := row[i:i+3], row[j:j+3]
			a[0], a[1], a[2], b[0], b[1], b[2] = b[0], b[1], b[2], a[0], a[1], a[2]
		}
	}
}
