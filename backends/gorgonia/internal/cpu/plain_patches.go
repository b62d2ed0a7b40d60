package cpu

// A tap is where an element of a filter meets a plane: its distance from the position that the filter is at.
type tap struct {
	y, x int
}

// patches are what filters see at the positions of a grid over images [N, channels, height, width]: position i, j has, of each
// channel, the elements i*step+tap.y, j*step+tap.x of all taps, zeros outside. As a matrix, patches have a row for each tap of each
// channel and a column for each position of each image.
type patches struct {
	channels, height, width int
	rows, cols              int // of the grid
	step                    int
	taps                    []tap
}

// depth is the number of rows of the matrix.
func (p patches) depth() int { return p.channels * len(p.taps) }

// positions is the number of columns that an image has.
func (p patches) positions() int { return p.rows * p.cols }

// inside returns the columns j of the grid, first to last, where j*step+x is inside the plane.
func (p patches) inside(x int) (first, last int) {
	first = min(p.cols, ceil(max(0, -x), p.step))
	last = min(p.cols, ceil(max(0, p.width-x), p.step))
	return first, max(first, last)
}

// runs calls f for the pieces of columns from to to that are in one row of the grid: of image n, row i, columns j to j+count, which
// begin at column at.
func (p patches) runs(from, to int, f func(n, i, j, count, at int)) {
	n, rest := from/p.positions(), from%p.positions()
	i, j := rest/p.cols, rest%p.cols
	for at := from; at < to; {
		count := min(p.cols-j, to-at)
		f(n, i, j, count, at)
		at += count
		if j = 0; i+1 < p.rows {
			i++
		} else {
			n, i = n+1, 0
		}
	}
}

// gather writes rows top to bottom of the matrix, columns from to to, into out, whose rows are stride apart.
func (p patches) gather(x []float32, top, bottom, from, to int, out []float32, stride int) {
	for k := top; k < bottom; k++ {
		channel, t := k/len(p.taps), p.taps[k%len(p.taps)]
		first, last := p.inside(t.x)
		row := out[(k-top)*stride:]
		p.runs(from, to, func(n, i, j, count, at int) {
			p.gatherRun(x, n, channel, i*p.step+t.y, t.x, j, first, last, row[at-from:at-from+count])
		})
	}
}

// gatherRun writes the elements of row r of a plane for columns j and on of the grid, of which first to last are inside.
func (p patches) gatherRun(x []float32, n, channel, r, offset, j, first, last int, out []float32) {
	left, right := min(max(first-j, 0), len(out)), min(max(last-j, 0), len(out))
	if r < 0 || r >= p.height || left >= right {
		clear(out)
		return
	}
	clear(out[:left])
	clear(out[right:])
	at := ((n*p.channels+channel)*p.height+r)*p.width + (j+left)*p.step + offset
	if p.step == 1 {
		copy(out[left:right], x[at:])
		return
	}
	for i := left; i < right; i++ {
		out[i] = x[at]
		at += p.step
	}
}

// gatherTransposed writes rows top to bottom of the matrix, columns from to to, into out [columns, rows], whose rows are stride apart.
func (p patches) gatherTransposed(x []float32, top, bottom, from, to int, out []float32, stride int) {
	for k := top; k < bottom; k++ {
		channel, t := k/len(p.taps), p.taps[k%len(p.taps)]
		first, last := p.inside(t.x)
		column := out[k-top:]
		p.runs(from, to, func(n, i, j, count, at int) {
			r, to := i*p.step+t.y, (at-from)*stride
			inside := r >= 0 && r < p.height
			line := ((n*p.channels+channel)*p.height + r) * p.width
			for q := j; q < j+count; q++ {
				v := float32(0)
				if inside && q >= first && q < last {
					v = x[line+q*p.step+t.x]
				}
				column[to] = v
				to += stride
			}
		})
	}
}
