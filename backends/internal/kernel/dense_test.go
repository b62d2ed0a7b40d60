//go:build cgo

package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// guarded is memory for size numbers, `skew` numbers off its alignment, between numbers that nothing may change.
type guarded struct {
	all  []float32
	size int
}

const (
	guards = 32
	guard  = float32(12345.5)
	skew   = 1
)

func newGuarded(size int) guarded {
	all := make([]float32, size+2*guards+skew)
	for i := range all {
		all[i] = guard
	}
	return guarded{all, size}
}

func (g guarded) numbers() []float32 {
	return g.all[guards+skew : guards+skew+g.size : guards+skew+g.size]
}
func (g guarded) pointer() unsafe.Pointer { return unsafe.Pointer(&g.all[guards+skew]) }

func (g guarded) check(t *testing.T) {
	t.Helper()
	for i, v := range g.all {
		if (i < guards+skew || i >= guards+skew+g.size) && v != guard {
			t.Fatalf("number %d of %d was overwritten", i-guards-skew, g.size)
		}
	}
}

func randomly(r *rand.Rand, size int) guarded {
	g := newGuarded(size)
	for i := range g.numbers() {
		g.numbers()[i] = float32(r.NormFloat64())
	}
	return g
}

// alone returns the kernels of a level on one thread.
func alone(t testing.TB, l Level) *Kernels {
	t.Helper()
	team, err := NewTeam(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(team.Close)
	return NewKernels(l, team)
}

func eachLevel(t *testing.T, f func(t *testing.T, l *Kernels)) {
	for _, l := range Levels() {
		t.Run(l.String(), func(t *testing.T) { f(t, alone(t, l)) })
	}
}

func bits(x []float32) []uint32 {
	b := make([]uint32, len(x))
	for i, v := range x {
		b[i] = math.Float32bits(v)
	}
	return b
}

func TestMatmul(t *testing.T) {
	shapes := [][3]int{
		{1, 1, 1}, {1, 1, 17}, {1, 70, 3}, {5, 7, 9}, {6, 16, 16}, {7, 17, 33}, {16, 48, 15}, {47, 64, 31}, {48, 65, 512}, {49, 63, 513},
		{2, 128, 1}, {96, 128, 64}, {97, 129, 100}, {13, 300, 1030}, {150, 10, 40}, {3, 5, 0},
	}
	eachLevel(t, func(t *testing.T, l *Kernels) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, s := range shapes {
			for form := range 4 {
				m, n, k, transA, transB := s[0], s[1], s[2], form&1 != 0, form&2 != 0
				a, b, out := randomly(r, m*k), randomly(r, k*n), newGuarded(m*n)
				if err := l.Matmul(m, n, k, a.pointer(), transA, b.pointer(), transB, out.pointer()); err != nil {
					t.Fatal(err)
				}
				out.check(t)
				for i := range m {
					for j := range n {
						var sum, size float64
						for q := range k {
							p := float64(a.numbers()[at(i, q, m, k, transA)]) * float64(b.numbers()[at(q, j, k, n, transB)])
							sum += p
							size += math.Abs(p)
						}
						if e := math.Abs(float64(out.numbers()[i*n+j]) - sum); !(e <= 1e-6*size) {
							t.Fatalf("%v, transposed %v and %v: element (%d, %d) is off by %g, of products that sum up to %g", s, transA, transB, i, j, e, size)
						}
					}
				}
			}
		}
	})
}

// at is where element (i, j) of op(x) [rows, columns] lies.
func at(i, j, rows, columns int, transposed bool) int {
	if transposed {
		return j*rows + i
	}
	return i*columns + j
}

// A number that is not finite must show where it counts, and nowhere else: zeros that pad a factor meet none of another.
func TestMatmulKeepsNaNToItsRow(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Kernels) {
		const m, n, k = 7, 19, 21
		r := rand.New(rand.NewPCG(3, 4))
		a, b, out := randomly(r, m*k), randomly(r, k*n), newGuarded(m*n)
		a.numbers()[3*k+20] = float32(math.NaN())
		b.numbers()[2*n+18] = float32(math.Inf(1))
		if err := l.Matmul(m, n, k, a.pointer(), false, b.pointer(), false, out.pointer()); err != nil {
			t.Fatal(err)
		}
		for i := range m {
			for j := range n {
				v := float64(out.numbers()[i*n+j])
				if finite := !math.IsNaN(v) && !math.IsInf(v, 0); finite != (i != 3 && j != 18) || math.IsNaN(v) != (i == 3) {
					t.Fatalf("element (%d, %d) is %g", i, j, v)
				}
			}
		}
	})
}

func TestElementwise(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Kernels) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, size := range []int{1, 3, 17, 1000, 16384, 16385, 50001} {
			a, b, sum, positive := randomly(r, size), randomly(r, size), newGuarded(size), newGuarded(size)
			a.numbers()[0] = float32(math.NaN())
			if err := l.Add(size, a.pointer(), b.pointer(), sum.pointer()); err != nil {
				t.Fatal(err)
			}
			if err := l.ReLU(size, a.pointer(), positive.pointer()); err != nil {
				t.Fatal(err)
			}
			before := append([]float32(nil), b.numbers()...)
			if err := l.Add(size, a.pointer(), b.pointer(), b.pointer()); err != nil {
				t.Fatal(err)
			}
			for _, g := range []guarded{b, sum, positive} {
				g.check(t)
				if v := float64(g.numbers()[0]); !math.IsNaN(v) {
					t.Errorf("size %d: of NaN came %g", size, v)
				}
			}
			for i := 1; i < size; i++ {
				want := a.numbers()[i] + before[i]
				if sum.numbers()[i] != want || b.numbers()[i] != want || positive.numbers()[i] != max(0, a.numbers()[i]) {
					t.Fatalf("size %d: element %d is wrong: %g, %g, %g of %g and %g", size, i, sum.numbers()[i], b.numbers()[i], positive.numbers()[i], a.numbers()[i], before[i])
				}
			}
			if err := l.ReLU(size, a.pointer(), a.pointer()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(bits(a.numbers()), bits(positive.numbers())) {
				t.Errorf("size %d: in place, the ReLU gives something else", size)
			}
		}
	})
}

// ntxent is NTXentRows in float64; the diagonal of s is not read.
func ntxent(n int, s []float32, temperature float64) (losses, weights []float64) {
	losses, weights = make([]float64, n), make([]float64, n*n)
	for i := range n {
		highest := math.Inf(-1)
		for j := range n {
			if j != i {
				highest = max(highest, float64(s[i*n+j]))
			}
		}
		exponent := func(j int) float64 { return (float64(s[i*n+j]) - highest) / temperature }
		var sum, others float64
		for j := range n {
			if j != i {
				sum += math.Exp(exponent(j))
			}
			if j != i && j != i^1 {
				others += math.Exp(exponent(j))
			}
		}
		losses[i] = math.Log(sum) - exponent(i^1)
		if exponent(i^1) == 0 {
			losses[i] = math.Log1p(others)
		}
		for j := range n {
			if j != i {
				weights[i*n+j] = math.Exp(exponent(j)) / sum / temperature / float64(n)
			}
		}
		weights[i*n+i^1] = -others / sum / temperature / float64(n)
	}
	return losses, weights
}

func TestNTXentRows(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Kernels) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, n := range []int{2, 4, 14, 16, 18, 34, 62, 130, 514} {
			for _, temperature := range []float64{0.05, 0.5, 1e-3, 100} {
				s, losses, weights := randomly(r, n*n), newGuarded(n), newGuarded(n*n)
				for i := range n {
					s.numbers()[i*n+i] = []float32{1, float32(math.NaN()), float32(math.Inf(1))}[i%3]
					if i%4 == 0 { // a row that is learnt
						s.numbers()[i*n+i^1] = 4
					}
				}
				if err := l.NTXentRows(n, s.pointer(), temperature, losses.pointer(), weights.pointer()); err != nil {
					t.Fatal(err)
				}
				losses.check(t)
				weights.check(t)
				wantLosses, wantWeights := ntxent(n, s.numbers(), temperature)
				for i, v := range losses.numbers() {
					if e := math.Abs(float64(v) - wantLosses[i]); !(e <= 1.5e-7*wantLosses[i]+1e-15) {
						t.Fatalf("n %d, temperature %g: the loss of row %d is %g, not %g", n, temperature, i, v, wantLosses[i])
					}
				}
				for i, v := range weights.numbers() {
					if e := math.Abs(float64(v) - wantWeights[i]); !(e <= 1.5e-7*math.Abs(wantWeights[i])+1e-15) {
						t.Fatalf("n %d, temperature %g: weight (%d, %d) is %g, not %g", n, temperature, i/n, i%n, v, wantWeights[i])
					}
				}

				again := newGuarded(n)
				if err := l.NTXentRows(n, s.pointer(), temperature, again.pointer(), nil); err != nil {
					t.Fatal(err)
				}
				if err := l.NTXentRows(n, s.pointer(), temperature, losses.pointer(), s.pointer()); err != nil {
					t.Fatal(err)
				}
				s.check(t)
				if !slices.Equal(bits(losses.numbers()), bits(again.numbers())) || !slices.Equal(bits(weights.numbers()), bits(s.numbers())) {
					t.Errorf("n %d, temperature %g: without weights, or in place, the result is another", n, temperature)
				}
			}
		}
	})
}

// A model that has diverged must not look healthy.
func TestNTXentRowsKeepNaN(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Kernels) {
		const n = 20
		s, losses, weights := randomly(rand.New(rand.NewPCG(9, 10)), n*n), newGuarded(n), newGuarded(n*n)
		s.numbers()[3*n+17] = float32(math.NaN())
		s.numbers()[5*n+2] = float32(math.Inf(1))
		s.numbers()[7*n+2] = float32(math.Inf(-1))
		if err := l.NTXentRows(n, s.pointer(), 0.5, losses.pointer(), weights.pointer()); err != nil {
			t.Fatal(err)
		}
		for i, v := range losses.numbers() {
			if math.IsNaN(float64(v)) != (i == 3 || i == 5) {
				t.Errorf("the loss of row %d is %g", i, v)
			}
		}
		if w := weights.numbers()[7*n+2]; w != 0 {
			t.Errorf("the weight of what is infinitely unlike is %g", w)
		}
	})
}

func BenchmarkMatmul(b *testing.B) {
	shapes := []struct {
		m, n, k        int
		transA, transB bool
	}{
		{1024, 512, 512, false, false}, {128, 512, 512, false, false}, {1024, 1024, 128, false, true}, {512, 512, 1024, true, false}, {32, 64, 64, false, false},
	}
	for _, s := range shapes {
		for _, l := range Levels() {
			b.Run(fmt.Sprintf("%dx%dx%d/%v", s.m, s.n, s.k, l), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				x, y, out := randomly(r, s.m*s.k), randomly(r, s.k*s.n), newGuarded(s.m*s.n)
				l := alone(b, l)
				for b.Loop() {
					if err := l.Matmul(s.m, s.n, s.k, x.pointer(), s.transA, y.pointer(), s.transB, out.pointer()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(2*float64(s.m)*float64(s.n)*float64(s.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

func BenchmarkNTXentRows(b *testing.B) {
	for _, l := range Levels() {
		b.Run(l.String(), func(b *testing.B) {
			const n = 1024
			s, losses, weights := randomly(rand.New(rand.NewPCG(1, 2)), n*n), newGuarded(n), newGuarded(n*n)
			l := alone(b, l)
			for b.Loop() {
				if err := l.NTXentRows(n, s.pointer(), 0.5, losses.pointer(), weights.pointer()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/n/n*1e9, "ns/number")
		})
	}
}
