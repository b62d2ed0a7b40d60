package pipeline_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"go.uber.org/goleak"

	"github.com/goclr/goclr/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errInjected = errors.New("injected")

// counting is a Source of n "encoded" images: image i is the number i in 8 bytes, its label i%10.
type counting struct{ n int }

func (c counting) Len() int { return c.n }

func (c counting) Read(_ context.Context, i int, s *pipeline.Sample) error {
	s.Bytes = s.Buffer(8)
	binary.LittleEndian.PutUint64(s.Bytes, uint64(i))
	s.Label = int32(i % 10)
	s.Key = fmt.Sprintf("image-%d", i)
	return nil
}

// broken is counting with images that cannot be read.
type broken struct {
	counting
	bad func(i int) bool
}

func (b broken) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	if err := b.counting.Read(ctx, i, s); err != nil {
		return err
	}
	if b.bad(i) {
		return errInjected
	}
	return nil
}

// unpack decodes an image of counting: a square in which each pixel has the low three bytes of the number.
type unpack struct{ Size int }

func (u unpack) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if !in.Encoded() {
		return in, fmt.Errorf("unpack needs an encoded image, got %v", in)
	}
	return pipeline.Shape{H: u.Size, W: u.Size, C: 3}, nil
}

func (u unpack) Apply(s *pipeline.Sample) error {
	m := s.Next(u.Size, u.Size)
	for i := range m.Pix {
		m.Pix[i] = s.Bytes[i%3]
	}
	s.Swap()
	return nil
}

// noise adds a random number of up to Most to every byte, in place.
type noise struct{ Most int }

func (n noise) Apply(s *pipeline.Sample) error {
	for i := range s.Image.Pix {
		s.Image.Pix[i] += byte(s.Rand.IntN(n.Most + 1))
	}
	return nil
}

// mirror turns the image around, from one memory to another.
type mirror struct{}

func (mirror) Apply(s *pipeline.Sample) error {
	from := s.Image
	to := s.Next(from.W, from.H)
	for i := range from.Pix {
		to.Pix[len(from.Pix)-1-i] = from.Pix[i]
	}
	s.Swap()
	return nil
}

// nasty fails, panics and dawdles, depending on the sample's id and random numbers.
type nasty struct{}

func (nasty) Apply(s *pipeline.Sample) error {
	switch {
	case s.ID%41 == 7:
		return errInjected
	case s.ID%53 == 9:
		panic("injected panic")
	case s.ID%37 == 5:
		time.Sleep(time.Millisecond)
	case s.Rand.IntN(40) == 0: // in one view of some samples, in another epoch of others
		return errInjected
	}
	return nil
}

// mustNew is New for arguments that are right.
func mustNew(t testing.TB, src pipeline.Source, o pipeline.Options, stages ...pipeline.Stage) *pipeline.Pipeline {
	t.Helper()
	p, err := pipeline.New(src, o, stages...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A row is what one row of a record holds.
type row struct {
	id    uint64
	label int32
	pix   []byte
}

// rows copies the rows of a record.
func rows(t testing.TB, rec arrow.Record) []row {
	t.Helper()
	ids, err := pipeline.IDs(rec)
	if err != nil {
		t.Fatal(err)
	}
	labels, err := pipeline.Labels(rec)
	if err != nil {
		t.Fatal(err)
	}
	pix, shape, err := pipeline.Views(rec)
	if err != nil {
		t.Fatal(err)
	}
	n := shape[0] * shape[1] * shape[2] * shape[3]
	if len(ids) != int(rec.NumRows()) || len(labels) != len(ids) || len(pix) != n*len(ids) {
		t.Fatalf("%d rows have %d ids, %d labels and %d bytes of %v", rec.NumRows(), len(ids), len(labels), len(pix), shape)
	}
	list := make([]row, len(ids))
	for i := range list {
		list[i] = row{ids[i], labels[i], append([]byte(nil), pix[i*n:(i+1)*n]...)}
	}
	return list
}

// digest is the SHA-256 of rows in order.
type digest struct{ hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

func (d digest) add(list []row) {
	for _, r := range list {
		head := binary.LittleEndian.AppendUint64(nil, r.id)
		d.Write(binary.LittleEndian.AppendUint32(head, uint32(r.label)))
		d.Write(r.pix)
	}
}

func (d digest) String() string { return hex.EncodeToString(d.Sum(nil)) }

// peak is an allocator that knows the most bytes that were in use at once.
type peak struct {
	memory.Allocator
	now, most atomic.Int64
}

func (p *peak) Allocate(n int) []byte {
	now := p.now.Add(int64(n))
	for m := p.most.Load(); now > m && !p.most.CompareAndSwap(m, now); m = p.most.Load() {
	}
	return p.Allocator.Allocate(n)
}

func (p *peak) Free(b []byte) {
	p.now.Add(-int64(len(b)))
	p.Allocator.Free(b)
}
