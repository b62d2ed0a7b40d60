package datasets

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/goclr/goclr/pipeline"
)

// Balanced returns a fraction, above 0 and at most 1, of the images of each class of a dataset, rounded up to whole images: the
// labels that semi-supervised learning is given (section 6 of the paper). The images of a class are taken in the order of a hash
// of the seed and their keys. So the choice is the same for a folder, an archive and the shards of the same images, whatever
// their order, and that of a smaller fraction is part of that of a larger one. An image without a label is an error that names it.
// Closing the subset closes the dataset.
func Balanced(ctx context.Context, d Dataset, fraction float64, seed uint64) (*Subset, error) {
	if !(fraction > 0 && fraction <= 1) {
		return nil, fmt.Errorf("fraction %g of the images: it must be above 0 and at most 1", fraction)
	}
	if err := hasClasses(d); err != nil {
		return nil, err
	}
	classes, err := ranked(ctx, d, seed)
	if err != nil {
		return nil, err
	}
	var indices []uint32
	for _, images := range classes {
		// What floating point adds to 0.07 times 100 is no image.
		n := int(math.Ceil(fraction*float64(len(images)) - 1e-9))
		for _, m := range images[:n] {
			indices = append(indices, uint32(m.index))
		}
	}
	slices.Sort(indices)
	return &Subset{d, indices, fmt.Sprintf("%g of each class by seed %d of", fraction, seed)}, nil
}

// A rankedImage has its place in the order of its class.
type rankedImage struct {
	index int
	hash  string
}

// ranked returns the images of each class in the order of their hashes.
func ranked(ctx context.Context, d Dataset, seed uint64) ([][]rankedImage, error) {
	classes := make([][]rankedImage, len(d.Classes()))
	s := pipeline.NewSample(ctx, pipeline.Key{})
	for i := range d.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := describe(ctx, d, i, s); err != nil {
			return nil, err
		}
		if s.Label < 0 || int(s.Label) >= len(classes) {
			return nil, fmt.Errorf("%s has label %d, of %d classes: use a data set whose images are all sorted into class folders",
				s.Key, s.Label, len(classes))
		}
		h := newDigest("subset")
		h.number(seed)
		h.text(s.Key)
		classes[s.Label] = append(classes[s.Label], rankedImage{i, h.sum()})
	}
	for _, images := range classes {
		slices.SortStableFunc(images, func(a, b rankedImage) int { return cmp.Compare(a.hash, b.hash) })
	}
	return classes, nil
}

// A describer tells the key and label of an image without its content.
type describer interface {
	describe(i int, s *pipeline.Sample) error
}

// describe sets the key and label of a sample to those of image i, which it reads only if the dataset has no shorter way.
func describe(ctx context.Context, d Dataset, i int, s *pipeline.Sample) error {
	if d, ok := d.(describer); ok {
		return d.describe(i, s)
	}
	return d.Read(ctx, i, s)
}
