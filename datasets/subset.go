package datasets

import (
	"context"
	"fmt"
	"slices"

	"github.com/goclr/goclr/pipeline"
)

// A Subset is some images of a dataset.
type Subset struct {
	Dataset
	indices []int  // nil: all
	choice  string // says how the indices were chosen, for the fingerprint
}

// Spread returns n images of a dataset, one out of each n-th part of it, so that neither a set sorted by class nor one whose
// classes take turns loses its balance; or all images if there are no more. The choice is the same every time. Closing it
// closes the dataset.
func Spread(d Dataset, n int) *Subset {
	if n >= d.Len() {
		return &Subset{Dataset: d}
	}
	r := pipeline.Key{Stage: "subset"}.Rand()
	indices := make([]int, n)
	for i := range indices {
		from, to := i*d.Len()/n, (i+1)*d.Len()/n
		indices[i] = from + r.IntN(to-from)
	}
	return &Subset{d, indices, fmt.Sprintf("%d spread over", n)}
}

// Len implements pipeline.Source.
func (s *Subset) Len() int {
	if s.indices == nil {
		return s.Dataset.Len()
	}
	return len(s.indices)
}

// Read implements pipeline.Source.
func (s *Subset) Read(ctx context.Context, i int, sample *pipeline.Sample) error {
	if s.indices != nil {
		i = s.indices[i]
	}
	return s.Dataset.Read(ctx, i, sample)
}

// describe implements describer.
func (s *Subset) describe(i int, sample *pipeline.Sample) error {
	if s.indices != nil {
		i = s.indices[i]
	}
	return describe(sample.Context(), s.Dataset, i, sample)
}

// Fingerprint implements pipeline.Fingerprinter.
func (s *Subset) Fingerprint() string {
	if s.indices == nil {
		return s.Dataset.Fingerprint()
	}
	return s.choice + " " + s.Dataset.Fingerprint()
}

// SameClasses returns an error unless both datasets are labelled and their labels mean the same.
func SameClasses(a, b Dataset) error {
	for _, d := range []Dataset{a, b} {
		if err := hasClasses(d); err != nil {
			return err
		}
	}
	if !slices.Equal(a.Classes(), b.Classes()) {
		return fmt.Errorf("the data sets have different classes: %s and %s; use two splits of one set", list(a.Classes()), list(b.Classes()))
	}
	return nil
}

func hasClasses(d Dataset) error {
	if len(d.Classes()) == 0 {
		return fmt.Errorf("a data set of %d images has no classes: use one that is sorted into class folders", d.Len())
	}
	return nil
}

// list names a few classes.
func list(classes []string) string {
	if len(classes) > 4 {
		return fmt.Sprintf("%q and %d more", classes[:3], len(classes)-3)
	}
	return fmt.Sprintf("%q", classes)
}
