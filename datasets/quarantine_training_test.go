package datasets

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// A faultySource gives images but for some.
type faultySource struct{ Dataset }

func (f faultySource) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	err := f.Dataset.Read(ctx, i, s)
	switch i {
	case 3:
		return errors.New("no such block")
	case 4:
		panic("a bug of the source")
	}
	return err
}

// pale fails for some images and counts as a stage.
type pale struct{}

func (pale) Apply(s *pipeline.Sample) error {
	switch s.ID {
	case 5:
		return errors.New("too pale")
	case 6:
		panic("no colours")
	}
	s.Next(2, 2)
	s.Swap()
	return nil
}

func (pale) Shape(pipeline.Shape) (pipeline.Shape, error) {
	return pipeline.Shape{H: 2, W: 2, C: 3}, nil
}

// TestQuarantineOfTraining sets aside what a pipeline reports, each image once, over several epochs.
func TestQuarantineOfTraining(t *testing.T) {
	src := faultySource{openSpec(t, "synthetic:n=20,size=8")}
	name := filepath.Join(t.TempDir(), QuarantineName)
	q, err := OpenQuarantine(name)
	if err != nil {
		t.Fatal(err)
	}
	added, told := 0, 0
	p, err := pipeline.New(src, pipeline.Options{Batch: 4, Epochs: 3, Seed: 1, MaxBad: 1, OnBad: func(e *pipeline.SampleError) {
		told++
		isNew, err := q.AddSample(t.Context(), src, e)
		if err != nil {
			t.Error(err)
		}
		if isNew {
			added++
		}
	}}, pale{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range p.Batches(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if added != 4 || told < 12 {
		t.Errorf("%d of %d were added, want 4 of at least 12", added, told)
	}
	got := quarantined(t, name)
	slices.SortFunc(got, func(a, b BadImage) int { return int(a.ID) - int(b.ID) })
	images := pictures(t, src.Dataset)
	for i, want := range []BadImage{
		{ID: 3, Stage: StageRead, Reason: "no such block"},
		{ID: 4, Stage: StageRead, Reason: "panic: a bug of the source"},
		{ID: 5, Stage: "pale", Reason: "too pale", Bytes: []byte(images[5].bytes)},
		{ID: 6, Stage: "pale", Reason: "panic: no colours", Bytes: []byte(images[6].bytes)},
	} {
		want.Key, want.Label = images[want.ID].key, images[want.ID].label
		if i >= len(got) || !reflect.DeepEqual(got[i], want) {
			t.Errorf("image %d of %+v, want %+v", i, got, want)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q, err = OpenQuarantine(name)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if added, err := q.AddSample(ctx, src, &pipeline.SampleError{ID: 7, Err: errors.New("x")}); added || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: added %t, %v", added, err)
	}
}
