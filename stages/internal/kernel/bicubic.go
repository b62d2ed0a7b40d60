package kernel

// resizeCubic keeps the last depth resized rows in a ring, one channel to a word: the later rows need no others.
func resizeCubic(dst []byte, row func(int) []byte, across, down taps, w, h, depth int, take func(int) []uint64) {
	acc, ring := take(3*w), take(3*depth*w)
	ready := 0
	for y := range h {
		first, weights := down.at(y)
		for ready = max(ready, first); ready < first+len(weights); ready++ {
			cubicRow(ring[3*(ready%depth*w):][:3*w], row(ready), across)
		}
		for i := range acc {
			acc[i] = 1 << (cubicBits - 1)
		}
		for k, weight := range weights {
			addOne(acc, ring[3*((first+k)%depth*w):], weight)
		}
		out := dst[3*w*y : 3*w*(y+1)]
		for i, v := range acc {
			out[i] = clamp(int(v) >> cubicBits)
		}
	}
}

// cubicRow resizes the pixels of line to out.
func cubicRow(out []uint64, line []byte, t taps) {
	for x := 0; 3*x < len(out); x++ {
		first, weights := t.at(x)
		from := line[3*first : 3*(first+len(weights))]
		r, g, b := 1<<(cubicBits-1), 1<<(cubicBits-1), 1<<(cubicBits-1)
		for i, weight := range weights {
			p := from[3*i : 3*i+3]
			w := int(weight)
			r += w * int(p[0])
			g += w * int(p[1])
			b += w * int(p[2])
		}
		p := out[3*x : 3*x+3]
		p[0], p[1], p[2] = uint64(clamp(r>>cubicBits)), uint64(clamp(g>>cubicBits)), uint64(clamp(b>>cubicBits))
	}
}
