package kernel

// Orient writes src, w by h pixels, to dst as EXIF orientation 1 to 8 asks for it to be seen. From 5 on, the result is h by w.
func Orient(dst, src []byte, w, h, orientation int) {
	// The pixel (x, y) of src goes to the place start + x*dx + y*dy of dst.
	var start, dx, dy int
	switch orientation {
	case 2: // mirrored
		start, dx, dy = w-1, -1, w
	case 3: // upside down
		start, dx, dy = w*h-1, -1, -w
	case 4: // mirrored, upside down
		start, dx, dy = w*(h-1), 1, -w
	case 5: // transposed
		start, dx, dy = 0, h, 1
	case 6: // to be turned a quarter clockwise
		start, dx, dy = h-1, h, -1
	case 7: // transposed over the other diagonal
		start, dx, dy = w*h-1, -h, -1
	case 8: // to be turned a quarter counter-clockwise
		start, dx, dy = h*(w-1), -h, 1
	default:
		copy(dst, src[:3*w*h])
		return
	}
	for y := range h {
		to := start + y*dy
		row := src[3*w*y : 3*w*(y+1)]
		for ; len(row) >= 3; row = row[3:] {
			p := dst[3*to : 3*to+3]
			p[0], p[1], p[2] = row[0], row[1], row[2]
			to += dx
		}
	}
}
