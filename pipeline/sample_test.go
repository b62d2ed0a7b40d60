package pipeline_test

import (
	"context"
	"slices"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// Both views begin with the pixels, the bytes and the label that the stages before Pair left, whatever view 1 did to them.
func TestViewsBeginAlike(t *testing.T) {
	spoil := pipeline.Named("Spoil", pipeline.StageFunc(func(s *pipeline.Sample) error {
		if !slices.Equal(s.Image.Pix, []byte{byte(s.ID), 0, 0}) || s.Label != int32(s.ID) || s.Bytes == nil || s.Key == "" {
			t.Errorf("a view of sample %d begins as %+v", s.ID, s)
		}
		clear(s.Image.Pix)
		s.Next(7, 7)
		s.Swap()
		clear(s.Image.Pix)
		s.Next(1, 1).Pix[0] = 9
		s.Swap()
		s.Label, s.Bytes, s.Key, s.ID = 99, nil, "", 99
		return nil
	}))
	p := mustNew(t, counting{8}, pipeline.Options{Batch: 8, Epochs: 2, Workers: 2}, unpack{Size: 1}, pipeline.Pair(spoil))
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows(t, rec) {
			if r.id > 7 || r.label != int32(r.id) {
				t.Errorf("id %d, label %d", r.id, r.label)
			}
		}
	}
}

// sparse is a source that sets the label and key of some images only.
type sparse struct{ counting }

func (p sparse) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	if i%2 == 1 {
		return p.counting.Read(ctx, i, s)
	}
	s.Bytes = []byte{0, 0, 0}
	return nil
}

// Nothing of one sample is left when the next begins.
func TestSamplesBeginEmpty(t *testing.T) {
	begin := pipeline.Named("Begin", pipeline.StageFunc(func(s *pipeline.Sample) error {
		if s.Image.W != 0 || s.Image.H != 0 || len(s.Image.Pix) != 0 {
			t.Errorf("sample %d begins with an image of %dx%d", s.ID, s.Image.W, s.Image.H)
		}
		if wantKey := s.ID%2 == 1; wantKey != (s.Key != "") {
			t.Errorf("sample %d has the key %q", s.ID, s.Key)
		}
		return nil
	}))
	o := pipeline.Options{Batch: 10, Epochs: 2, Workers: 1}
	for rec, err := range mustNew(t, sparse{counting{10}}, o, begin, unpack{Size: 2}).Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows(t, rec) {
			want := int32(-1)
			if r.id%2 == 1 {
				want = int32(r.id)
			}
			if r.label != want {
				t.Errorf("sample %d has label %d, want %d", r.id, r.label, want)
			}
		}
	}
}

// Without a decoder before it, each view of a Pair decodes for itself.
func TestDecodeInsidePair(t *testing.T) {
	run := func(stages ...pipeline.Stage) string {
		d := newDigest()
		p := mustNew(t, counting{40}, pipeline.Options{Batch: 8, Epochs: 1}, stages...)
		for rec, err := range p.Batches(context.Background(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			d.add(rows(t, rec))
		}
		return d.String()
	}
	before := run(unpack{Size: 3}, pipeline.Pair(noise{Most: 3}))
	if inside := run(pipeline.Pair(unpack{Size: 3}, noise{Most: 3})); inside != before {
		t.Errorf("digest is %s with the decoder in the pair, %s before it", inside, before)
	}
}

// The two views differ, an epoch differs from the next, and a seed from another.
func TestViewsEpochsSeedsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(2) {
		o := pipeline.Options{Batch: 4, Epochs: 2, Seed: seed, Ordered: true}
		p := mustNew(t, counting{4}, o, unpack{Size: 4}, pipeline.Pair(noise{Most: 200}))
		for rec, err := range p.Batches(context.Background(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows(t, rec) {
				n := len(r.pix) / 2
				seen[string(r.pix[:n])], seen[string(r.pix[n:])] = true, true
			}
		}
	}
	if len(seen) != 2*2*4*2 {
		t.Errorf("%d different views of 32", len(seen))
	}
}

// Memory of a sample is kept from one to the next.
func TestSampleMemory(t *testing.T) {
	s := pipeline.NewSample(context.Background(), pipeline.Key{ID: 3})
	if s.ID != 3 || s.Label != -1 || s.Context() == nil {
		t.Errorf("sample is %+v", s)
	}
	first := s.Next(4, 5)
	s.Swap()
	second := s.Next(2, 2)
	if len(first.Pix) == 0 || s.Image.W != 4 || s.Image.H != 5 || len(s.Image.Pix) != 60 || len(second.Pix) != 12 {
		t.Errorf("images of %d and %d bytes", len(s.Image.Pix), len(second.Pix))
	}
	work := func() {
		s.Next(4, 5)
		s.Swap()
		copy(s.Buffer(100), s.Scratch(200))
	}
	work()
	if n := testing.AllocsPerRun(10, work); n != 0 {
		t.Errorf("%v allocations with warm memory", n)
	}
}

// The shapes name what is known.
func TestShapeString(t *testing.T) {
	for _, c := range []struct {
		shape pipeline.Shape
		want  string
	}{
		{pipeline.Shape{}, "encoded image"},
		{pipeline.Shape{C: 3}, "image of any size"},
		{pipeline.Shape{H: 32, W: 24, C: 3}, "32x24x3"},
	} {
		if got := c.shape.String(); got != c.want {
			t.Errorf("%#v is %q, want %q", c.shape, got, c.want)
		}
	}
}
