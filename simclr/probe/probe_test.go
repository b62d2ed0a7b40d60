package probe_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"

	"github.com/goclr/goclr/simclr/probe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clusters returns n vectors around one random centre per class, with noise of the given size.
func clusters(seed uint64, n, dim, classes int, noise float64) *probe.Features {
	centres := rand.New(rand.NewPCG(7, 7))
	centre := make([][]float64, classes)
	for c := range centre {
		centre[c] = make([]float64, dim)
		for j := range centre[c] {
			centre[c][j] = centres.NormFloat64()
		}
	}
	r := rand.New(rand.NewPCG(seed, 1))
	f := probe.NewFeatures(n, dim)
	row := make([]float32, dim)
	for i := range n {
		c := i % classes
		for j := range row {
			row[j] = float32(centre[c][j] + noise*r.NormFloat64())
		}
		f.Append([]uint64{uint64(i)}, []int32{int32(c)}, row)
	}
	return f
}

type scorer interface {
	Score(ctx context.Context, train, test *probe.Features) (float64, error)
}

var scorers = map[string]scorer{"knn": probe.KNN{K: 20}, "linear": probe.Linear{Epochs: 20}}

func TestScoreFollowsTheClusters(t *testing.T) {
	for name, s := range scorers {
		for _, c := range []struct {
			noise     float64
			low, high float64
		}{{0.1, 0.999, 1}, {1.5, 0.4, 0.98}, {1000, 0, 0.2}} {
			t.Run(fmt.Sprintf("%s/noise %g", name, c.noise), func(t *testing.T) {
				got, err := s.Score(t.Context(), clusters(1, 1000, 13, 10, c.noise), clusters(2, 500, 13, 10, c.noise))
				if err != nil {
					t.Fatal(err)
				}
				if got < c.low || got > c.high {
					t.Errorf("score %.3f, want %g to %g", got, c.low, c.high)
				}
				again, err := s.Score(t.Context(), clusters(1, 1000, 13, 10, c.noise), clusters(2, 500, 13, 10, c.noise))
				if err != nil || again != got {
					t.Errorf("a second time the score is %v (%v), not %v", again, err, got)
				}
			})
		}
	}
}

// TestKNNVote compares with the definition, written out.
func TestKNNVote(t *testing.T) {
	train, test := clusters(1, 300, 5, 4, 2), clusters(2, 77, 5, 4, 2)
	const k, temperature = 17, 0.2
	right := 0
	for i := range test.Len() {
		var all []float64
		for j := range train.Len() {
			all = append(all, cosine(test.Row(i), train.Row(j)))
		}
		votes := make([]float64, 4)
		for range k {
			best := 0
			for j := range all {
				if all[j] > all[best] {
					best = j
				}
			}
			votes[train.Labels[best]] += math.Exp(all[best] / temperature)
			all[best] = math.Inf(-1)
		}
		winner := 0
		for c := range votes {
			if votes[c] > votes[winner] {
				winner = c
			}
		}
		if winner == int(test.Labels[i]) {
			right++
		}
	}
	got, err := probe.KNN{K: k, Temperature: temperature}.Score(t.Context(), train, test)
	if err != nil {
		t.Fatal(err)
	}
	if want := float64(right) / 77; got != want {
		t.Errorf("score %v, want %v", got, want)
	}
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

func TestBadInput(t *testing.T) {
	good := clusters(1, 50, 3, 5, 1)
	unlabelled := probe.NewFeatures(1, 3)
	unlabelled.Append([]uint64{0}, []int32{-1}, []float32{1, 2, 3})
	for name, s := range scorers {
		for what, test := range map[string]*probe.Features{
			"no label": unlabelled, "none": probe.NewFeatures(0, 3), "other length": clusters(1, 50, 4, 5, 1),
		} {
			if _, err := s.Score(t.Context(), good, test); err == nil {
				t.Errorf("%s: %s: no error", name, what)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Score(ctx, good, good); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v after cancelling", name, err)
		}
	}
}

func BenchmarkKNN(b *testing.B) {
	train, test := clusters(1, 50000, 128, 10, 1), clusters(2, 500, 128, 10, 1)
	for b.Loop() {
		if _, err := (probe.KNN{}).Score(b.Context(), train, test); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*test.Len()), "us/query")
}
