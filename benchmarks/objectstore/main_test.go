package main

import (
	"hash/crc32"
	"testing"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
)

// TestReadTakesEveryImageOnce compares what is read in shuffled orders with the images of the source, one after the other.
func TestReadTakesEveryImageOnce(t *testing.T) {
	src, err := datasets.Open(t.Context(), "synthetic:n=70", datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var want result
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	for i := range src.Len() {
		if err := src.Read(t.Context(), i, s); err != nil {
			t.Fatal(err)
		}
		want.Images++
		want.Bytes += int64(len(s.Bytes))
		want.Sum += int64(crc32.ChecksumIEEE(s.Bytes)) + int64(s.Label)
	}
	for _, window := range []int{0, 32} {
		got, err := read(t.Context(), src, pipeline.Options{Batch: 16, Window: window})
		if err != nil {
			t.Fatal(err)
		}
		got.Seconds = 0
		if got != want {
			t.Errorf("window %d: %+v, want %+v", window, got, want)
		}
	}
}
