// Package exact has the two transcendental functions that the stages draw and weigh with, made of single IEEE operations so
// that they give the same bits on every CPU. Those of package math do not promise that: some are assembly, and the compiler
// may fuse a multiplication and an addition.
package exact

import "math"

const (
	ln2hi = 6.93147180369123816490e-01 // ln 2 in two parts: n*ln2hi is exact for the small n in use here
	ln2lo = 1.90821492927058770002e-10
)

// Exp returns e**x, within 2 units in the last place, for |x| < 700.
func Exp(x float64) float64 {
	n := math.Round(x / math.Ln2)
	r := (x - float64(n*ln2hi)) - float64(n*ln2lo)
	// Taylor's series on |r| <= ln(2)/2; the term after the last is below 1e-17.
	sum := 1.0
	for i := 14.0; i >= 1; i-- {
		sum = 1 + float64(float64(r*sum)/i)
	}
	return math.Ldexp(sum, int(n))
}

// Log returns the natural logarithm of x, within 2 units in the last place away from 1, for positive finite x.
func Log(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	// ln m = 2 artanh(s), and |s| < 0.172 makes the series short.
	s := (m - 1) / (m + 1)
	s2 := float64(s * s)
	sum := 0.0
	for i := 23.0; i >= 1; i -= 2 {
		sum = 1/i + float64(s2*sum)
	}
	n := float64(e)
	return float64(n*ln2hi) + (float64(2*float64(s*sum)) + float64(n*ln2lo))
}
