package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
)

// numbers is a source of images that are their own index, each of which takes a while to arrive.
type numbers struct{ delay time.Duration }

func (numbers) Len() int { return 1 << 20 }

func (n numbers) Read(_ context.Context, i int, s *Sample) error {
	time.Sleep(n.delay)
	s.Bytes = s.Buffer(8)
	binary.LittleEndian.PutUint64(s.Bytes, uint64(i))
	return nil
}

type digits struct{}

func (digits) Shape(Shape) (Shape, error) { return Shape{H: 1, W: 3, C: 3}, nil }

func (digits) Apply(s *Sample) error {
	copy(s.Next(3, 1).Pix, append(s.Bytes, byte(s.Rand.Uint32())))
	s.Swap()
	return nil
}

// digestWhile is the digest of 200 batches, with between called after each.
func digestWhile(t *testing.T, tune bool, between func(l *loop)) string {
	t.Helper()
	p, err := New(numbers{}, Options{Batch: 8, Workers: 2, Tune: tune}, digits{})
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(context.Background(), p)
	defer l.close()
	l.start(0)
	sum, n := sha256.New(), 0
	l.consume(func(rec arrow.Record, err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		pix, _, err := Views(rec)
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(pix)
		between(l)
		n++
		return n < 200
	})
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// Whatever a tuner does, and however often, the bytes are those of a run that nobody tunes.
func TestTuningChangesNoByte(t *testing.T) {
	want := digestWhile(t, false, func(*loop) {})
	now := knobs{2, 2}
	r := rand.New(rand.NewPCG(1, 2))
	most := knobs{}
	got := digestWhile(t, true, func(l *loop) {
		next := knobs{1 + r.IntN(l.tuning.tuner.most.workers), 1 + r.IntN(l.tuning.tuner.most.prefetch)}
		l.setKnobs(now, next)
		now = next
		most = knobs{max(most.workers, now.workers), max(most.prefetch, now.prefetch)}
		if s := l.p.Stats(); s.Workers != now.workers || s.Prefetch != now.prefetch {
			t.Errorf("stats tell of %d workers and %d batches ahead, not of %v", s.Workers, s.Prefetch, now)
		}
	})
	if got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if most.workers < 4 || most.prefetch < 4 {
		t.Errorf("the knobs went up to %v only", most)
	}
}

// Slots bound the batches that exist, also after the knobs were turned back and forth.
func TestSlotsAfterTuning(t *testing.T) {
	p, err := New(numbers{}, Options{Batch: 8, Workers: 2, Prefetch: 2, Tune: true}, digits{})
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(context.Background(), p)
	defer l.close()
	l.start(0)
	n := 0
	l.consume(func(_ arrow.Record, err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		n++
		switch n {
		case 10:
			l.setKnobs(knobs{2, 2}, knobs{2, 7})
		case 20:
			l.setKnobs(knobs{2, 7}, knobs{2, 1})
			l.setKnobs(knobs{2, 1}, knobs{2, 4})
			l.setKnobs(knobs{2, 4}, knobs{2, 1})
		case 40:
			time.Sleep(10 * time.Millisecond) // for a feeder that makes too many
			if made := len(l.pending); made > 1 {
				t.Errorf("%d batches are ahead, want at most 1", made)
			}
			return false
		}
		return true
	})
}

// With images that take time to arrive, more workers are what helps, and the tuner finds out.
func TestTunerHiresForASlowSource(t *testing.T) {
	p, err := New(numbers{time.Millisecond}, Options{Batch: 8, Workers: 1, Tune: true}, digits{})
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(context.Background(), p)
	defer l.close()
	l.tuning.takes = pace{2, 0}
	l.start(0)
	l.consume(func(_ arrow.Record, err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		return l.tuning.tuner.good.workers < 4
	})
	s := p.Stats()
	if says := fmt.Sprintf("; %d workers, %d batches ahead", s.Workers, s.Prefetch); s.Workers < 4 || !strings.Contains(s.String(), says) {
		t.Errorf("%d workers in the end; stats say %q", s.Workers, s)
	}
}

func TestTuner(t *testing.T) {
	second := func(samples int, waited float64) observation {
		return observation{samples, time.Second, time.Duration(waited * float64(time.Second))}
	}
	u := newTuner(knobs{2, 2}, 2)
	for i, c := range []struct {
		o    observation
		want knobs
	}{
		{second(100, 0.01), knobs{2, 2}}, // fed well
		{second(100, 0.50), knobs{3, 2}}, // a trial
		{second(150, 0.40), knobs{4, 2}}, // it helped: another
		{second(151, 0.40), knobs{3, 2}}, // it did not: back, and a pause
		{second(150, 0.40), knobs{3, 2}},
		{second(150, 0.40), knobs{3, 3}}, // the other knob
		{second(200, 0.01), knobs{3, 3}}, // it helped, and that is enough
		{second(200, 0.30), knobs{3, 4}},
		{second(190, 0.30), knobs{3, 3}},
		{second(200, 0.30), knobs{3, 3}},
		{second(200, 0.30), knobs{4, 3}},
		{second(200, 0.30), knobs{3, 3}}, // the second failure in a row pauses for longer
		{second(200, 0.30), knobs{3, 3}},
		{second(200, 0.30), knobs{3, 3}},
		{second(200, 0.30), knobs{3, 4}},
	} {
		if got := u.next(c.o); got != c.want {
			t.Fatalf("observation %d, %v: knobs %v, want %v", i, c.o, got, c.want)
		}
	}
	for samples := 1000; samples < 1e9; samples *= 2 { // everything helps
		if k := u.next(second(samples, 1)); k.workers > 16 || k.prefetch > 8 {
			t.Fatalf("knobs %v are beyond all bounds", k)
		}
	}
	if u.now != u.most {
		t.Errorf("knobs %v, want the most, %v", u.now, u.most)
	}
}
