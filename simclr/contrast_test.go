package simclr

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/reference"
)

// unitVectors returns pairs of unit vectors that are nearer to each other than to the rest.
func unitVectors(seed uint64, rows, dim int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	z := make([]float32, rows*dim)
	centre := make([]float64, dim)
	for i := range rows {
		square := 0.0
		row := make([]float64, dim)
		for f := range row {
			if i%2 == 0 {
				centre[f] = r.NormFloat64()
			}
			row[f] = centre[f] + 1.5*r.NormFloat64()
			square += row[f] * row[f]
		}
		for f, v := range row {
			z[i*dim+f] = float32(v / math.Sqrt(square))
		}
	}
	return z
}

// TestContrastIsTheLossOfTheGraph compares all results with those of the reference backend, which has the whole matrix.
func TestContrastIsTheLossOfTheGraph(t *testing.T) {
	for _, c := range []struct {
		rows, dim   int
		temperature float64
	}{
		{4, 3, 0.5}, {tileRows, 16, 0.2}, {tileRows + 2, 128, 0.1}, {tileColumns, 5, 1}, {2*tileColumns + 14, 64, 0.2},
		{1000, 128, 0.05}, {64, 8, 1e-3},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			z := unitVectors(1, c.rows, c.dim)
			var g graph.Graph
			node := g.State("z", c.rows, c.dim)
			leaf := make([]float64, len(z))
			for i, v := range z {
				leaf[i] = float64(v)
			}
			want, err := reference.Eval(t.Context(), &g, map[*graph.Node][]float64{node: leaf},
				g.NTXent(node, c.temperature), g.PairAccuracy(node), g.Spread(node), g.NTXentGrad(node, c.temperature))
			if err != nil {
				t.Fatal(err)
			}
			m, gradient, err := newContrast(z, c.dim, c.temperature).compute(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			// A similarity is off by 1e-7, which the temperature magnifies.
			tolerance := 1e-6 / c.temperature
			for i, v := range []float32{m.Loss, m.Accuracy, m.Spread} {
				if d := math.Abs(float64(v) - want[i][0]); !(d <= tolerance*max(1, want[i][0])) {
					t.Errorf("%s is %v, want %v", []string{"loss", "accuracy", "spread"}[i], v, want[i][0])
				}
			}
			largest, worst := 0.0, 0.0
			for i, v := range want[3] {
				largest = max(largest, math.Abs(v))
				worst = max(worst, math.Abs(float64(gradient[i])-v))
			}
			t.Logf("loss %.7f, off by %.1e; gradient off by %.1e of its largest element",
				m.Loss, math.Abs(float64(m.Loss)-want[0][0]), worst/largest)
			if !(worst <= tolerance*largest) {
				t.Errorf("the gradient is off by %.1e of its largest element", worst/largest)
			}
		})
	}
}

func TestContrastIsTheSameOnAnyNumberOfCPUs(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	z := unitVectors(2, 700, 32)
	want, gradient, err := newContrast(z, 32, 0.2).compute(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, cpus := range []int{1, 3, 8} {
		runtime.GOMAXPROCS(cpus)
		m, d, err := newContrast(z, 32, 0.2).compute(t.Context())
		if err != nil || m != want || !slices.Equal(d, gradient) {
			t.Errorf("on %d CPUs the results are others: %v, %v", cpus, m, err)
		}
	}
}

func TestContrastCanBeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := newContrast(unitVectors(3, 8, 4), 4, 1).compute(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A projection that is no longer a number must show in the loss, which ends the run.
func TestContrastOfNaN(t *testing.T) {
	z := unitVectors(4, 8, 4)
	z[9] = float32(math.NaN())
	m, _, err := newContrast(z, 4, 1).compute(t.Context())
	if err != nil || !math.IsNaN(float64(m.Loss)) {
		t.Errorf("loss %v, %v; want NaN", m.Loss, err)
	}
}

func BenchmarkContrast(b *testing.B) {
	for _, rows := range []int{512, 2048, 16384} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			z := unitVectors(5, rows, 128)
			for b.Loop() {
				if _, _, err := newContrast(z, 128, 0.1).compute(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
