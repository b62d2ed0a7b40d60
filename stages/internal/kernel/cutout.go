package kernel

// Fill gives every pixel in box, a region of an image srcW pixels wide, one colour.
func Fill(pix []byte, srcW int, box Rect, colour [3]byte) {
	for y := box.Y; y < box.Y+box.H; y++ {
		row := pix[3*(y*srcW+box.X):][:3*box.W]
		for ; len(row) >= 3; row = row[3:] {
			row[0], row[1], row[2] = colour[0], colour[1], colour[2]
		}
	}
}
