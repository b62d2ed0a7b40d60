package simclr

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/sourcegraph/conc"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/simclr/internal/product"
)

// Similarities are computed in tiles: a row of tiles at a time is the work of one goroutine, so that memory grows with the number
// of projections, not with its square. The results depend on these sizes, but on no number of goroutines.
const (
	tileRows    = 64
	tileColumns = 240 // a multiple of 16, so that no element is computed alone, but no power of 2, whose rows share cache lines
)

// A contrast is the NT-Xent loss over all projections of a batch, with what the step reports: graph.Graph.NTXent, NTXentGrad,
// PairAccuracy and Spread, where the matrix of all similarities need not fit into memory.
type contrast struct {
	z           []float32 // [rows, dim], unit vectors
	rows, dim   int
	temperature float64
	transposed  []float32 // z as tiles [dim, tileColumns], one after another

	normalizers []float64 // [rows] logarithm of the sum of exponentials of each row's similarities to all others
	losses      []float64 // [rows]
	hits        []bool    // [rows] no other is nearer than the positive
	gradient    []float32 // [rows, dim]
}

// newContrast takes the projections [rows, dim] of pairs, in which the positive of row i is row i XOR 1.
func newContrast(z []float32, dim int, temperature float64) *contrast {
	rows := len(z) / dim
	c := &contrast{
		z: z, rows: rows, dim: dim, temperature: temperature,
		transposed:  make([]float32, (rows+tileColumns-1)/tileColumns*tileColumns*dim),
		normalizers: make([]float64, rows),
		losses:      make([]float64, rows),
		hits:        make([]bool, rows),
		gradient:    make([]float32, len(z)),
	}
	for i := range rows {
		tile := c.transposed[i/tileColumns*tileColumns*dim:]
		for f, v := range z[i*dim:][:dim] {
			tile[f*tileColumns+i%tileColumns] = v
		}
	}
	return c
}

// compute returns the metrics, and the gradient of the loss with respect to each projection [rows, dim]. Both are the same to the
// bit for any number of CPUs.
func (c *contrast) compute(ctx context.Context) (backends.Metrics, []float32, error) {
	if err := c.parallel(ctx, (*contrast).normalize); err != nil {
		return backends.Metrics{}, nil, err
	}
	if err := c.parallel(ctx, (*contrast).differentiate); err != nil {
		return backends.Metrics{}, nil, err
	}
	loss, hits := 0.0, 0
	for i := range c.rows {
		loss += c.losses[i]
		if c.hits[i] {
			hits++
		}
	}
	return backends.Metrics{
		Loss:     float32(loss / float64(c.rows)),
		Accuracy: float32(float64(hits) / float64(c.rows)),
		Spread:   float32(c.spread()),
	}, c.gradient, nil
}

// A desk is the room that a goroutine works in.
type desk struct {
	similarities []float32 // [tileRows, tileColumns]: products of rows, then weights of the gradient
	sums         []float32 // [tileRows, dim]: gradient from one tile
	totals       []float64 // [tileRows, dim]: from all so far
}

// parallel calls do for all rows, tileRows of them at a time.
func (c *contrast) parallel(ctx context.Context, do func(c *contrast, from, to int, d *desk)) error {
	var next atomic.Int64
	var group conc.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			d := &desk{
				similarities: make([]float32, tileRows*tileColumns),
				sums:         make([]float32, tileRows*c.dim),
				totals:       make([]float64, tileRows*c.dim),
			}
			for ctx.Err() == nil {
				from := int(next.Add(1)-1) * tileRows
				if from >= c.rows {
					return
				}
				do(c, from, min(from+tileRows, c.rows), d)
			}
		})
	}
	group.Wait()
	return ctx.Err()
}

// tiles calls do for each tile of the similarities of rows from to to, before division by the temperature: s [to-from, n] are
// those to rows first to first+n.
func (c *contrast) tiles(from, to int, d *desk, do func(s []float32, first, n int)) {
	for first := 0; first < c.rows; first += tileColumns {
		n := min(tileColumns, c.rows-first)
		s := d.similarities[:(to-from)*n]
		product.Multiply(s, c.z[from*c.dim:to*c.dim], c.transposed[first*c.dim:], to-from, n, c.dim, tileColumns)
		do(s, first, n)
	}
}

// normalize computes the loss of rows from to to. The largest exponent so far is taken out of each sum, and those of a tile
// are added to the rest at once.
func (c *contrast) normalize(from, to int, d *desk) {
	var largest, sum, positive [tileRows]float64
	for r := range largest {
		largest[r] = math.Inf(-1)
	}
	c.tiles(from, to, d, func(s []float32, first, n int) {
		for r := range to - from {
			row := s[r*n:][:n]
			if at := from + r - first; at >= 0 && at < n {
				row[at] = float32(math.Inf(-1)) // no image is its own negative
			}
			if at := (from + r) ^ 1 - first; at >= 0 && at < n {
				positive[r] = float64(row[at])
			}
			highest := largest[r]
			for _, v := range row {
				highest = max(highest, float64(v))
			}
			if highest > largest[r] {
				sum[r] *= math.Exp((largest[r] - highest) / c.temperature)
				largest[r] = highest
			}
			part := 0.0
			for _, v := range row {
				part += math.Exp((float64(v) - highest) / c.temperature)
			}
			sum[r] += part
		}
	})
	for r := range to - from {
		i := from + r
		c.normalizers[i] = largest[r]/c.temperature + math.Log(sum[r])
		c.losses[i] = c.normalizers[i] - positive[r]/c.temperature
		c.hits[i] = positive[r] >= largest[r]
	}
}

// differentiate computes the gradient of rows from to to. With p the softmax of each row's similarities, that of row i is the
// sum over j of (p[i][j] + p[j][i] - 2 [j is the positive of i]) z[j] / (rows*temperature).
func (c *contrast) differentiate(from, to int, d *desk) {
	clear(d.totals)
	c.tiles(from, to, d, func(s []float32, first, n int) {
		for r := range to - from {
			row, own := s[r*n:][:n], c.normalizers[from+r]
			for k, other := range c.normalizers[first:][:n] {
				v := float64(row[k]) / c.temperature
				p := math.Exp(v-own) + math.Exp(v-other)
				switch first + k {
				case from + r:
					p = 0
				case (from + r) ^ 1:
					p -= 2
				}
				row[k] = float32(p)
			}
		}
		sums := d.sums[:(to-from)*c.dim]
		product.Multiply(sums, s, c.z[first*c.dim:], to-from, c.dim, n, c.dim)
		for k, v := range sums {
			d.totals[k] += float64(v)
		}
	})
	scale := 1 / (float64(c.rows) * c.temperature)
	for k := range (to - from) * c.dim {
		c.gradient[from*c.dim+k] = float32(d.totals[k] * scale)
	}
}

// spread is graph.Graph.Spread.
func (c *contrast) spread() float64 {
	mean, square := make([]float64, c.dim), make([]float64, c.dim)
	for k, v := range c.z {
		mean[k%c.dim] += float64(v) / float64(c.rows)
	}
	for k, v := range c.z {
		d := float64(v) - mean[k%c.dim]
		square[k%c.dim] += d * d / float64(c.rows)
	}
	sum := 0.0
	for _, v := range square {
		sum += math.Sqrt(v)
	}
	return sum / math.Sqrt(float64(c.dim))
}
