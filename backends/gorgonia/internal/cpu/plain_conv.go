package cpu

import (
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// A convolution is a product of its filters and the patches of the images, which are gathered by the tile and never stored whole.
// The gradient of its operand is one too, of the transposed filters and patches of dy: with a stride, one for the elements of each
// remainder modulo the stride, since these meet different taps.

// convTasks is about how many tasks a convolution is divided into at least.
const convTasks = 16

// forward are the patches that the filters of a convolution see.
func forward(x, y []int, a graph.Attr) patches {
	p := patches{channels: x[1], height: x[2], width: x[3], rows: y[2], cols: y[3], step: a.Stride}
	for ky := range a.Kernel {
		for kx := range a.Kernel {
			p.taps = append(p.taps, tap{ky - a.Pad, kx - a.Pad})
		}
	}
	return p
}

// panelBytes is the scratch memory of a task that computes a panel of results: a tile of patches, and the results of each filter.
func panelBytes(filters int) int {
	return floatsBytes(depthTile*colTile) + floatsBytes(filters*colTile)
}

func (w crew) convScratch(c *device.Call) int { return w.threads * panelBytes(c.Out.Shape[1]) }

func (w crew) conv(c *device.Call) error {
	p := forward(c.In[0].Shape, c.Out.Shape, c.Attr)
	d := desk{c.Scratch}
	w.filter(p, floats(c.In[0]), floats(c.In[1]), grid{c.Out.Shape, 1, 0, 0}, floats(c.Out), &d)
	return nil
}

// A grid is where the results of patches are in images of shape [N, C, H, W]: those of row i, column j at i*step+y, j*step+x.
type grid struct {
	shape      []int
	step, y, x int
}

// filterGroup is how many filters a task takes where the panels alone are too few to occupy many threads.
const filterGroup = 128

// filter computes the products of filters [O, depth] and all patches of x, and writes them to a grid of out.
func (w crew) filter(p patches, x, filters []float32, g grid, out []float32, d *desk) {
	columns, depth, rows := g.shape[0]*p.positions(), p.depth(), g.shape[1]
	panels, group := ceil(columns, colTile), rows
	if panels < convTasks {
		group = min(rows, filterGroup)
	}
	groups, bytes := ceil(rows, group), panelBytes(group)
	w.each(columns*rows*max(1, depth), panels*groups, func(worker, task int) {
		own := desk{d.at(worker * bytes)}
		tile, results := own.floats(depthTile*colTile), own.floats(group*colTile)
		from, first := task/groups*colTile, task%groups*group
		to, last := min(columns, from+colTile), min(rows, first+group)
		if depth == 0 {
			clear(results)
		}
		for k := 0; k < depth; k += depthTile {
			count := min(depthTile, depth-k)
			p.gather(x, k, k+count, from, to, tile, colTile)
			for o := first; o < last; o += rowTile {
				multiplyTile(min(rowTile, last-o), to-from, count, filters[o*depth+k:], depth,
					tile, colTile, k > 0, results[(o-first)*colTile:], colTile)
			}
		}
		for o := first; o < last; o++ {
			row := results[(o-first)*colTile:]
			p.runs(from, to, func(n, i, j, count, at int) {
				g.write(row[at-from:at-from+count], n, o, i, j, out)
			})
		}
	})
}

// write puts results of row i, columns j and on, of a channel of image n to their places.
func (g grid) write(results []float32, n, channel, i, j int, out []float32) {
	to := ((n*g.shape[1]+channel)*g.shape[2]+i*g.step+g.y)*g.shape[3] + j*g.step + g.x
	if g.step == 1 {
		copy(out[to:], results)
		return
	}
	for _, v := range results {
		out[to] = v
		to += g.step
	}
}

func (w crew) convGradInputScratch(c *device.Call) int {
	return w.threads*panelBytes(c.Out.Shape[1]) + floatsBytes(graph.Size(c.In[1].Shape))
}

func (w crew) convGradInput(c *device.Call) error {
	dy, filters, out, a := floats(c.In[0]), floats(c.In[1]), floats(c.Out), c.Attr
	x, y := c.Out.Shape, c.In[0].Shape
	d := desk{c.Scratch}
	panels := desk{d.at(floatsBytes(len(filters)))}
	transposed := d.floats(len(filters))
	for py := range min(a.Stride, x[2]) {
		for px := range min(a.Stride, x[3]) {
			p := patches{channels: y[1], height: y[2], width: y[3], step: 1}
			p.rows, p.cols = ceil(x[2]-py, a.Stride), ceil(x[3]-px, a.Stride)
			var elements []int
			for ky := (py + a.Pad) % a.Stride; ky < a.Kernel; ky += a.Stride {
				for kx := (px + a.Pad) % a.Stride; kx < a.Kernel; kx += a.Stride {
					p.taps = append(p.taps, tap{(py + a.Pad - ky) / a.Stride, (px + a.Pad - kx) / a.Stride})
					elements = append(elements, ky*a.Kernel+kx)
				}
			}
			w.transposeFilters(c.In[1].Shape, filters, elements, transposed)
			w.filter(p, dy, transposed, grid{x, a.Stride, py, px}, out, &panels)
		}
	}
	return nil
}

// transposeFilters sets to [C, O, elements] to some elements of each of the filters [O, C, k, k].
func (w crew) transposeFilters(shape []int, filters []float32, elements []int, to []float32) {
	outputs, channels, area := shape[0], shape[1], shape[2]*shape[3]
	w.each(outputs*channels*len(elements), channels, func(_, c int) {
		at := c * outputs * len(elements)
		for o := range outputs {
			filter := filters[(o*channels+c)*area:]
			for _, e := range elements {
				to[at] = filter[e]
				at++
			}
		}
	})
}

// filterRun is about how many positions are summed up before they are added to a total: shorter sums round less.
const filterRun = 1024

// filterParts is at most into how many parts the images are divided for the gradient of filters.
func filterParts(images, depth int) int { return min(images, ceil(convTasks, ceil(depth, colTile))) }

func (w crew) convGradFilterScratch(c *device.Call) int {
	parts := filterParts(c.In[0].Shape[0], graph.Size(c.Out.Shape[1:]))
	return w.threads*panelBytes(c.Out.Shape[0]) + parts*floatsBytes(graph.Size(c.Out.Shape))
}

func (w crew) convGradFilter(c *device.Call) error {
	x, dy, out := floats(c.In[0]), floats(c.In[1]), floats(c.Out)
	p := forward(c.In[0].Shape, c.In[1].Shape, c.Attr)
	images, rows, depth := c.In[0].Shape[0], c.Out.Shape[0], p.depth()
	across := ceil(depth, colTile)
	size := ceil(images, filterParts(images, depth))
	parts := ceil(images, size)
	panel := panelBytes(rows)
	d := desk{c.Scratch}
	panels := desk{d.at(parts * floatsBytes(len(out)))}
	sums := make([][]float32, parts)
	for i := range sums {
		sums[i] = d.floats(len(out))
	}
	w.each(images*p.positions()*len(out), parts*across, func(worker, task int) {
		part, k := task/across, task%across*colTile
		own := desk{panels.at(worker * panel)}
		f := filterGradient{patches: p, first: k, last: min(depth, k+colTile), filters: rows,
			tile: own.floats(depthTile * colTile), run: own.floats(rows * colTile), sums: sums[part]}
		f.add(x, dy, part*size, min(images, (part+1)*size))
	})
	w.ranges(len(out), func(from, to int) {
		copy(out[from:to], sums[0][from:to])
		for _, s := range sums[1:] {
			for i := from; i < to; i++ {
				out[i] += s[i]
			}
		}
	})
	return nil
}

// A filterGradient sums up the gradients of elements first to last of all filters.
type filterGradient struct {
	patches
	first, last, filters int
	tile                 []float32 // patches, [positions, elements]
	run                  []float32 // the sums over some positions, [filters, elements]
	sums                 []float32 // those over all positions, [filters, depth]
}

// add sets the sums to those over images from to to.
func (f filterGradient) add(x, dy []float32, from, to int) {
	positions, depth, width := f.positions(), f.depth(), f.last-f.first
	length := max(1, filterRun/positions) // of a run, in images
	for n := from; n < to; n++ {
		begins := (n-from)%length == 0
		ends := n == to-1 || (n-from)%length == length-1
		for i := 0; i < positions; i += depthTile {
			count := min(depthTile, positions-i)
			f.gatherTransposed(x, f.first, f.last, n*positions+i, n*positions+i+count, f.tile, colTile)
			for o := 0; o < f.filters; o += rowTile {
				multiplyTile(min(rowTile, f.filters-o), width, count, dy[(n*f.filters+o)*positions+i:], positions,
					f.tile, colTile, !begins || i > 0, f.run[o*colTile:], colTile)
			}
		}
		if !ends {
			continue
		}
		for o := range f.filters {
			run, sums := f.run[o*colTile:o*colTile+width], f.sums[o*depth+f.first:o*depth+f.last]
			if n-from < length {
				copy(sums, run)
				continue
			}
			for i, v := range run {
				sums[i] += v
			}
		}
	}
}
