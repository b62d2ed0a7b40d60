package datasets

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/goclr/goclr/pipeline"
)

// A Subset is some images of a dataset.
type Subset struct {
	Dataset
	indices []uint32 // nil: all; of ten million images they take 40 MB
	choice  string   // says how the indices were chosen, for the fingerprint
}

// Spread returns n images of a dataset, one out of each n-th part of it, so that neither a set sorted by class nor one whose
// classes take turns loses its balance; or all images if there are no more. The choice is the same every time. Closing it
// closes the dataset.
func Spread(d Dataset, n int) *Subset {
	if n >= d.Len() {
		return &Subset{Dataset: d}
	}
	r := pipeline.Key{Stage: "subset"}.Rand()
	indices := make([]uint32, n)
	for i := range indices {
		from, to := i*d.Len()/n, (i+1)*d.Len()/n
		indices[i] = uint32(from + r.IntN(to-from))
	}
	return &Subset{d, indices, fmt.Sprintf("%d spread over", n)}
}

// SplitByKey returns the images whose keys fall between two points of 0 to 1, at which a hash of each key puts it: 0 to 0.9 for
// training and 0.9 to 1 for validation, for example. An image stays where it is when others come or go. Closing it closes the dataset.
func SplitByKey(ctx context.Context, d Dataset, from, to float64) (*Subset, error) {
	if !(from >= 0 && from < to && to <= 1) {
		return nil, fmt.Errorf("a split from %g to %g: it must be a part of 0 to 1", from, to)
	}
	sample := pipeline.NewSample(ctx, pipeline.Key{})
	indices := []uint32{}
	for i := range d.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := describe(ctx, d, i, sample); err != nil {
			sample.Key = "" // it falls into one of the splits, where it is bad when it is read
		}
		if at := splitPoint(sample.Key); at >= from && at < to {
			indices = append(indices, uint32(i))
		}
	}
	return &Subset{d, indices, fmt.Sprintf("%g to %g by key of", from, to)}, nil
}

// splitPoint is where a key falls between 0 and 1.
func splitPoint(key string) float64 {
	h := newDigest("split")
	h.text(key)
	return float64(binary.BigEndian.Uint64(h.h.Sum(nil))>>11) / (1 << 53)
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
	return s.Dataset.Read(ctx, s.index(i), sample)
}

// describe implements describer.
func (s *Subset) describe(i int, sample *pipeline.Sample) error {
	return describe(sample.Context(), s.Dataset, s.index(i), sample)
}

// index is that of image i in the whole dataset.
func (s *Subset) index(i int) int {
	if s.indices == nil {
		return i
	}
	return int(s.indices[i])
}

// storedSize tells of an image what the listing of the whole dataset does.
func (s *Subset) storedSize(i int) (int64, bool) { return storedSize(s.Dataset, s.index(i)) }

// isDistant implements distant.
func (s *Subset) isDistant() bool { return isDistant(s.Dataset) }

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
