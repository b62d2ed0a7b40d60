package kernel

// bilinear keeps the last rows, resized from side to side, in a ring, packed one pixel to a word: the later rows need no others.
func (z *resizing) bilinear() {
	line, acc, depth := z.take(z.fromW), z.take(z.w), z.depth()
	ring := z.take(depth * z.w)
	row := func(y int) []uint64 { return ring[y%depth*z.w:][:z.w] }
	ready := 0
	for y := range z.h {
		first, weights := z.down.at(y)
		for ready = max(ready, first); ready < first+len(weights); ready++ {
			unpackRow(line, z.row(ready))
			bilinearRow(row(ready), line, z.across)
		}
		startRow(acc, row(first), uint64(weights[0]))
		k := 1
		for ; k+1 < len(weights); k += 2 {
			addTwo(acc, row(first+k), row(first+k+1), uint64(weights[k]), uint64(weights[k+1]))
		}
		if k < len(weights) {
			addOne(acc, row(first+k), uint64(weights[k]))
		}
		packRow(z.dst[3*z.w*y:3*z.w*(y+1)], acc)
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
			v += uint64(w) * from[i]
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
