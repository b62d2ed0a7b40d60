package kernel

// bicubic keeps the last rows, resized from side to side, in a ring, one channel to a word: the later rows need no others.
func (z *resizing) bicubic() {
	n, depth, kept := 3*z.w, z.depth(), z.filter.kept()
	acc, ring := z.take(n), z.take(depth*n)
	row := func(y int) []uint64 { return ring[y%depth*n:][:n] }
	ready := 0
	for y := range z.h {
		first, weights := z.down.at(y)
		for ready = max(ready, first); ready < first+len(weights); ready++ {
			cubicRow(row(ready), z.row(ready), z.across, kept)
		}
		for i := range acc {
			acc[i] = 1 << (cubicBits + kept - 1)
		}
		for k, weight := range weights {
			addOne(acc, row(first+k), uint64(weight))
		}
		out := z.dst[n*y : n*(y+1)]
		for i, v := range acc {
			out[i] = clamp(int(v) >> (cubicBits + kept))
		}
	}
}

// cubicRow resizes the pixels of line to out, whose words are signed numbers with kept bits of fraction.
func cubicRow(out []uint64, line []byte, t taps, kept int) {
	shift := cubicBits - kept
	for x := 0; 3*x < len(out); x++ {
		first, weights := t.at(x)
		from := line[3*first : 3*(first+len(weights))]
		r, g, b := 1<<(shift-1), 1<<(shift-1), 1<<(shift-1)
		for i, weight := range weights {
			p := from[3*i : 3*i+3]
			w := int(weight)
			r += w * int(p[0])
			g += w * int(p[1])
			b += w * int(p[2])
		}
		r, g, b = r>>shift, g>>shift, b>>shift
		if kept == 0 {
			r, g, b = int(clamp(r)), int(clamp(g)), int(clamp(b))
		}
		p := out[3*x : 3*x+3]
		p[0], p[1], p[2] = uint64(r), uint64(g), uint64(b)
	}
}
