package cpu

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// The tiles of a product of matrices. Below four blocks of 64x64 of a result Gonum starts no goroutines of its own. A tile of the
// second factor, depthTile by colTile, stays in the first level of the cache.
const (
	rowTile   = 64
	colTile   = 192
	depthTile = 32
)

// multiplyTile sets c [m, n] to a [m, k] times b [k, n], or adds that to c, where m <= rowTile and n <= colTile. lda, ldb and ldc are the
// distances of their rows. An element is a sum in the order of k, whatever the tiles.
func multiplyTile(m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) {
	beta := float32(0)
	if add {
		beta = 1
	}
	gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1, a, lda, b, ldb, beta, c, ldc)
}

// multiply sets c [m, n] to a [m, k] times b [k, n].
func (w crew) multiply(m, n, k int, a, b, c []float32) error {
	if w.product != nil {
		return w.product(m, n, k, a, b, c)
	}
	across := ceil(n, colTile)
	w.each(m*n*k, ceil(m, rowTile)*across, func(_, tile int) {
		i, j := tile/across*rowTile, tile%across*colTile
		for l := 0; l < k; l += depthTile {
			multiplyTile(min(rowTile, m-i), min(colTile, n-j), min(depthTile, k-l),
				a[i*k+l:], k, b[l*n+j:], n, l > 0, c[i*n+j:], n)
		}
	})
	return nil
}

// transpose sets to [cols, rows] to from [rows, cols], transposed.
func (w crew) transpose(rows, cols int, from, to []float32) {
	const band = 32
	w.each(rows*cols, ceil(rows, band), func(_, i int) {
		first, last := i*band, min(rows, (i+1)*band)
		for col := range cols {
			for row := first; row < last; row++ {
				to[col*rows+row] = from[row*cols+col]
			}
		}
	})
}
