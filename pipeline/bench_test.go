package pipeline_test

import (
	"context"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// BenchmarkOverhead measures what the engine costs a sample: a small image, two views, stages that do nothing. It must stay
// below 5 us and, spread over a batch, well below one allocation a sample.
func BenchmarkOverhead(b *testing.B) {
	const batch = 256
	p, err := pipeline.New(counting{n: 100 * batch}, pipeline.Options{Batch: batch},
		unpack{Size: 8}, pipeline.Pair(pipeline.Named("Nothing", nothing), pipeline.Named("Nothing", nothing)))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	samples := 0
	for _, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			b.Fatal(err)
		}
		if samples += batch; samples >= b.N {
			break
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(samples), "ns/sample")
}

// BenchmarkPermutation measures one index of the shuffle of ImageNet.
func BenchmarkPermutation(b *testing.B) {
	p := pipeline.NewPermutation(1281167, 7, 3)
	for i := range b.N {
		p.At(i % 1281167)
	}
}

var nothing = pipeline.StageFunc(func(*pipeline.Sample) error { return nil })
