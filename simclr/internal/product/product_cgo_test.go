//go:build cgo

package product

func init() {
	implementations["baseline"] = func(c, a, b []float32, m, n, k, stride int) { cMultiply(false, c, a, b, m, n, k, stride) }
}
