package datasets

import (
	"context"
	"errors"
	"fmt"

	"github.com/goclr/goclr/pipeline"
)

// A collection is a Dataset of images that lie, as they are, in objects of a bucket: each is an object by itself, or a part of one.
type collection struct {
	bucket  Bucket
	objects []Object // that members are parts of; nil: each is the object called by its key
	*listing
}

func (d *collection) Close() error {
	var errs []error
	for _, o := range d.objects {
		errs = append(errs, o.Close())
	}
	return errors.Join(append(errs, d.listing.close(), d.bucket.Close())...)
}

func (d *collection) Read(ctx context.Context, i int, s *pipeline.Sample) (err error) {
	m, label := d.at(i)
	s.Key, s.Label = d.sampleKey(m), label
	if d.objects == nil {
		return readWhole(ctx, s, d.bucket, m.key, m)
	}
	return readInto(ctx, s, d.objects[m.object], m)
}

// isDistant implements distant.
func (d *collection) isDistant() bool {
	_, local := d.bucket.(localBucket)
	return d.objects == nil && !local
}

// readWhole reads an object of a bucket into a sample.
func readWhole(ctx context.Context, s *pipeline.Sample, b Bucket, name string, m member) error {
	o, err := b.Open(ctx, name)
	if err != nil {
		return err
	}
	m.size = o.Size() // it may have changed since it was listed
	return errors.Join(readInto(ctx, s, o, m), o.Close())
}

// readInto reads a part of an object into a sample.
func readInto(ctx context.Context, s *pipeline.Sample, o Object, m member) error {
	if m.size > MaxImageBytes {
		return tooLarge(m.key, m.size)
	}
	switch m.offset {
	case notStored:
		return fmt.Errorf("%s was left out when the dataset was opened", m.key)
	case noBytes:
		return fmt.Errorf("%s: there is no image, only its path or label", m.key)
	}
	b := s.Buffer(int(m.size))
	if n, err := o.ReadAt(ctx, b, m.offset); n < len(b) {
		return fmt.Errorf("read %s at byte %d: %w", m.key, m.offset, err)
	}
	s.Bytes = b
	return nil
}

func tooLarge(key string, size int64) error {
	return fmt.Errorf("%s: %d bytes encoded, more than the %d allowed", key, size, MaxImageBytes)
}
