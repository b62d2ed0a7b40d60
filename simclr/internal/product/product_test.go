package product

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

var implementations = map[string]func(c, a, b []float32, m, n, k, stride int){"best": Multiply, "go": goMultiply}

func random(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// TestMultiplyIsASumInOrder compares with the definition, to the bit.
func TestMultiplyIsASumInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range []struct{ m, n, k, stride int }{
		{1, 1, 1, 1}, {4, 16, 3, 16}, {4, 16, 128, 20}, {7, 37, 5, 40}, {9, 15, 200, 15}, {64, 256, 128, 300}, {3, 5, 0, 5}, {0, 4, 4, 4},
	} {
		a, b := random(r, s.m*s.k), random(r, s.k*s.stride)
		want := make([]float32, s.m*s.n)
		for i := range s.m {
			for j := range s.n {
				for l := range s.k {
					want[i*s.n+j] += float32(a[i*s.k+l] * b[l*s.stride+j])
				}
			}
		}
		for name, f := range implementations {
			got := append(random(r, s.m*s.n), 42)
			f(got[:s.m*s.n], a, b, s.m, s.n, s.k, s.stride)
			if !slices.Equal(got, append(slices.Clone(want), 42)) {
				t.Errorf("%s of %+v differs from the sum in order, or writes behind the result", name, s)
			}
		}
	}
}

// BenchmarkMultiply has the two products of the loss, see simclr/contrast.go.
func BenchmarkMultiply(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range []struct{ m, n, k, stride int }{{64, 240, 128, 240}, {64, 128, 240, 128}, {64, 128, 240, 144}} {
		x, y, c := random(r, s.m*s.k), random(r, s.k*s.stride), make([]float32, s.m*s.n)
		for name, f := range implementations {
			b.Run(fmt.Sprintf("%dx%dx%d of %d/%s", s.m, s.n, s.k, s.stride, name), func(b *testing.B) {
				for b.Loop() {
					f(c, x, y, s.m, s.n, s.k, s.stride)
				}
				b.ReportMetric(2*float64(s.m*s.n*s.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
