package kernel

// resizeBilinear keeps the last depth resized rows in a ring, packed one pixel to a word: the later rows need no others.
func resizeBilinear(dst []byte, row func(int) []byte, across, down taps, w, h, depth int, line []uint64, take func(int) []uint64) {
	acc, ring := take(w), take(depth*w)
	ready := 0
	for y := range h {
		first, weights := down.at(y)
		for ready = max(ready, first); ready < first+len(weights); ready++ {
			unpackRow(line, row(ready))
			bilinearRow(ring[ready%depth*w:][:w], line, across)
		}
		startRow(acc, ring[first%depth*w:], weights[0])
		k := 1
		for ; k+1 < len(weights); k += 2 {
			addTwo(acc, ring[(first+k)%depth*w:], ring[(first+k+1)%depth*w:], weights[k], weights[k+1])
		}
		if k < len(weights) {
			addOne(acc, ring[(first+k)%depth*w:], weights[k])
		}
		packRow(dst[3*w*y:3*w*(y+1)], acc)
	}
}

// half is half a level in each lane, for rounding.
const half = 1 << (bilinearBits - 1) * lanes

// bilinearRow resizes line to out.
func bilinearRow(out, line []uint64, t taps) {
	for x := range out {
		first, weights := t.at(x)
		from := line[first:]
		from = from[:len(weights)]
		v := uint64(half)
		for i, w := range weights {
			v += w * from[i]
		}
		out[x] = v >> bilinearBits & (255 * lanes)
	}
}

// startRow sets acc to a weighted row and half a level.
func startRow(acc, a []uint64, w uint64) {
	a = a[:len(acc)]
	for i := range acc {
		acc[i] = w*a[i] + half
	}
}

func addOne(acc, a []uint64, w uint64) {
	a = a[:len(acc)]
	for i := range acc {
		acc[i] += w * a[i]
	}
}

func addTwo(acc, a, b []uint64, wa, wb uint64) {
	a, b = a[:len(acc)], b[:len(acc)]
	for i := range acc {
		acc[i] += wa*a[i] + wb*b[i]
	}
}

// packRow writes the levels that row sums up to dst.
func packRow(dst []byte, row []uint64) {
	dst = dst[:3*len(row)]
	for i, v := range row {
		p := dst[3*i : 3*i+3]
		p[0], p[1], p[2] = byte(v>>bilinearBits), byte(v>>(bilinearBits+lane)), byte(v>>(bilinearBits+2*lane))
	}
}
