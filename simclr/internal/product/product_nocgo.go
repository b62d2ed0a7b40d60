//go:build !cgo

package product

func multiply(c, a, b []float32, m, n, k, stride int) { goMultiply(c, a, b, m, n, k, stride) }
