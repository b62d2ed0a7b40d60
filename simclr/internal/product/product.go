// Package product multiplies matrices of float32 with the same bits in every build and on every CPU: each element is a sum in
// the order of its terms, rounded after each multiplication and each addition. Plain Go is the oracle; C does many elements
// at once, each in that order.
package product

// Multiply sets c [m, n] to the product of a [m, k] and b [k, n]. All are row-major; row i of b begins at b[i*stride], and the
// rows of the others lie end to end.
func Multiply(c, a, b []float32, m, n, k, stride int) {
	if m*n*k == 0 {
		clear(c[:m*n])
		return
	}
	multiply(c[:m*n], a[:m*k], b[:(k-1)*stride+n], m, n, k, stride)
}

func goMultiply(c, a, b []float32, m, n, k, stride int) {
	clear(c)
	for i := range m {
		row := c[i*n:][:n]
		for l, v := range a[i*k:][:k] {
			for j, w := range b[l*stride:][:n] {
				row[j] += float32(v * w)
			}
		}
	}
}
