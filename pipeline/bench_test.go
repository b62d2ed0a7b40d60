package pipeline_test

import (
	"context"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

const overheadBatch = 256

// overhead runs batches of a pipeline in which the source and the stages do next to nothing, on small images of two views,
// until n samples are made, and returns how many were.
func overhead(tb testing.TB, n int) int {
	p := mustNew(tb, blank{}, pipeline.Options{Batch: overheadBatch},
		unpack{Size: 8}, pipeline.Pair(pipeline.Named("Nothing", nothing), pipeline.Named("Nothing", nothing)))
	samples := 0
	for _, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			tb.Fatal(err)
		}
		if samples += overheadBatch; samples >= n {
			break
		}
	}
	return samples
}

// BenchmarkOverhead measures what the engine costs a sample; it must stay below 5 us.
func BenchmarkOverhead(b *testing.B) {
	b.ReportAllocs()
	samples := overhead(b, b.N)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(samples), "ns/sample")
}

// A batch and a worker cost some allocations, a sample none.
func TestNoAllocationPerSample(t *testing.T) {
	const few, many = 4 * overheadBatch, 84 * overheadBatch
	allocations := func(n int) float64 { return testing.AllocsPerRun(1, func() { overhead(t, n) }) }
	if perSample := (allocations(many) - allocations(few)) / (many - few); perSample > 0.25 {
		t.Errorf("%.2f allocations a sample", perSample)
	}
}

// BenchmarkPermutation measures one index of the shuffle of ImageNet.
func BenchmarkPermutation(b *testing.B) {
	p := pipeline.NewPermutation(1281167, 7, 3)
	for i := range b.N {
		p.At(i % 1281167)
	}
}

var nothing = pipeline.StageFunc(func(*pipeline.Sample) error { return nil })

// blank is a source of equal images.
type blank struct{}

func (blank) Len() int { return 100 * overheadBatch }

func (blank) Read(_ context.Context, _ int, s *pipeline.Sample) error {
	s.Bytes = s.Buffer(3)
	return nil
}
