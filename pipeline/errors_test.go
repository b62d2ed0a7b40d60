package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sourcegraph/conc/panics"

	"github.com/goclr/goclr/pipeline"
)

// Each bad image is replaced by one that is in the batch neither by itself nor for another, and everything else stays.
func TestSubstitutes(t *testing.T) {
	bad := func(i int) bool { return i%7 == 2 }
	run := func(src pipeline.Source) [][]row {
		var batches [][]row
		o := pipeline.Options{Batch: 16, Epochs: 3, MaxBad: 1}
		p := mustNew(t, src, o, unpack{Size: 2}, pipeline.Pair(noise{Most: 9}))
		for rec, err := range p.Batches(context.Background(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			batches = append(batches, rows(t, rec))
		}
		return batches
	}
	clean, replaced := run(counting{100}), run(broken{counting{100}, bad})
	substitutes := 0
	for n := range clean {
		own := map[uint64]bool{}
		for _, r := range clean[n] {
			own[r.id] = true
		}
		seen := map[uint64]bool{}
		for i, r := range replaced[n] {
			was := clean[n][i]
			if seen[r.id] {
				t.Errorf("batch %d has image %d twice", n, r.id)
			}
			seen[r.id] = true
			if r.label != int32(r.id%10) {
				t.Errorf("batch %d: image %d has label %d", n, r.id, r.label)
			}
			switch {
			case !bad(int(was.id)):
				if r.id != was.id || !slices.Equal(r.pix, was.pix) {
					t.Errorf("batch %d, row %d: the good image %d changed", n, i, was.id)
				}
			case bad(int(r.id)) || own[r.id]:
				t.Errorf("batch %d, row %d: image %d stands in for %d", n, i, r.id, was.id)
			default:
				substitutes++
			}
		}
	}
	if substitutes == 0 {
		t.Error("no image was replaced")
	}
}

// OnBad hears of every bad sample in order of rows, with id, key, stage and view.
func TestSampleErrors(t *testing.T) {
	var heard []string
	o := pipeline.Options{
		Batch: 4, Epochs: 1, Ordered: true, Workers: 3, MaxBad: 1,
		OnBad: func(e *pipeline.SampleError) { heard = append(heard, e.Error()) },
	}
	calls := 0 // for image 2, which no other batch tries
	fail := pipeline.Named("Fail", pipeline.StageFunc(func(s *pipeline.Sample) error {
		if s.ID == 2 {
			calls++
		}
		switch {
		case s.ID == 2 && calls == 2:
			return fmt.Errorf("in the second view: %w", errInjected)
		case s.ID == 3:
			var m map[string]int
			m["x"] = 1 //nolint:staticcheck // the panic is the point
		case s.ID == 9:
			s.Next(5, 5)
			s.Swap()
		}
		return nil
	}))
	src := broken{counting{16}, func(i int) bool { return i == 1 || i == 5 }}
	p := mustNew(t, src, o, unpack{Size: 2}, pipeline.Pair(fail))
	for _, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
	}
	const tooLarge = "sample 9 (image-9), stage Fail, view 1: the stages made an image of 5x5x3 (height, width) with 75 bytes, " +
		"but announced 2x2x3"
	want := []string{
		"sample 1 (image-1), stage Source: injected",
		"sample 5 (image-5), stage Source: injected", // the substitute for 1
		tooLarge, // and the next one
		"sample 2 (image-2), stage Fail, view 2: in the second view: injected",
		"sample 3 (image-3), stage Fail, view 1: panic: assignment to entry in nil map",
		"sample 5 (image-5), stage Source: injected", // batch 1
		tooLarge, // the substitute for 5
		tooLarge, // batch 2
	}
	if !slices.Equal(heard, want) {
		t.Errorf("heard\n%s\nwant\n%s", strings.Join(heard, "\n"), strings.Join(want, "\n"))
	}
	if s := p.Stats(); s.Bad != int64(len(want)) || s.Samples != 16 || s.Batches != 4 {
		t.Errorf("stats are %+v", s)
	}
}

func TestMaxBad(t *testing.T) {
	for _, c := range []struct {
		name   string
		maxBad float64
		bad    func(i int) bool
		steps  int // yielded before the error
		text   string
	}{
		{"none is bad", -1, func(int) bool { return false }, 200, ""},
		{"one in the first batch", 0, func(i int) bool { return i == 3 }, 200, ""},
		{"one, none allowed", -1, func(i int) bool { return i == 25 }, 2, "allows none: sample 25"},
		{"ten in the first hundred", 0, func(i int) bool { return i < 100 && i%11 == 0 }, 200, ""},
		{
			"eleven in the first hundred", 0, func(i int) bool { return i < 101 && i%9 == 3 && i != 3 || i == 0 }, 9,
			"11 of 111 samples are bad",
		},
		{"2% all along", 0, func(i int) bool { return i%50 == 7 }, 50, "11 of 521 samples are bad"},
		{"2% all along, 3% allowed", 0.03, func(i int) bool { return i%50 == 7 }, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := pipeline.Options{Batch: 10, Epochs: 1, Ordered: true, MaxBad: c.maxBad, Workers: 4}
			p := mustNew(t, broken{counting{2000}, c.bad}, o, unpack{Size: 1})
			steps := 0
			var last error
			for _, err := range p.Batches(context.Background(), 0) {
				if last = err; err == nil {
					steps++
				}
			}
			if steps != c.steps {
				t.Errorf("%d batches, want %d", steps, c.steps)
			}
			var sample *pipeline.SampleError
			switch {
			case c.text == "" && last != nil:
				t.Error(last)
			case c.text != "" && (last == nil || !strings.Contains(last.Error(), c.text)):
				t.Errorf("error is %v, want %q in it", last, c.text)
			case c.text != "" && !(errors.As(last, &sample) && errors.Is(last, errInjected)):
				t.Errorf("%v does not wrap a SampleError and its cause", last)
			}
		})
	}
}

// A data set of which nothing can be read ends with an error after the first batch, whatever MaxBad says.
func TestAllBad(t *testing.T) {
	for _, c := range []struct {
		maxBad float64
		text   string
	}{{0.5, "of 512 samples are bad"}, {1, "no substitute is left"}} {
		o := pipeline.Options{Batch: 16, MaxBad: c.maxBad}
		src := broken{counting{100_000}, func(int) bool { return true }}
		p := mustNew(t, src, o, unpack{Size: 1}, pipeline.Pair(mirror{}))
		var got error
		for rec, err := range p.Batches(context.Background(), 0) {
			if rec != nil {
				t.Error("a record was yielded")
			}
			got = err
		}
		if c.maxBad == 0.5 && p.Stats().Bad <= 500 {
			t.Errorf("%d tries", p.Stats().Bad)
		}
		if got == nil || !strings.Contains(got.Error(), c.text) {
			t.Errorf("MaxBad %g: error is %v, want %q in it", c.maxBad, got, c.text)
		}
	}
}

// An evaluation set of one short batch still survives a bad image.
func TestSubstituteWithinBatch(t *testing.T) {
	o := pipeline.Options{Batch: 64, Epochs: 1, Ordered: true, KeepTail: true}
	p := mustNew(t, broken{counting{5}, func(i int) bool { return i == 2 }}, o, unpack{Size: 1})
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if ids, _ := pipeline.IDs(rec); !slices.Equal(ids, []uint64{0, 1, 3, 3, 4}) {
			t.Errorf("images are %v", ids)
		}
	}
}

func TestPanicKeepsStack(t *testing.T) {
	var got *pipeline.SampleError
	o := pipeline.Options{Batch: 2, Epochs: 1, MaxBad: 1, OnBad: func(e *pipeline.SampleError) { got = e }}
	p := mustNew(t, counting{10}, o, unpack{Size: 1}, pipeline.Named("Panic", pipeline.StageFunc(panicOn3)))
	for _, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var p3 *panics.ErrRecovered
	if !errors.As(got, &p3) || !strings.Contains(string(p3.Stack), "panicOn3") {
		t.Errorf("%v has no stack that names the function", got)
	}
	if !errors.Is(got, errInjected) {
		t.Errorf("%v does not wrap the error that was the panic's value", got)
	}
}

func panicOn3(s *pipeline.Sample) error {
	if s.ID == 3 {
		panic(errInjected)
	}
	return nil
}

// A stage that ends its goroutine, as a failing test helper inside it does, ends the loop with an error instead of hanging.
func TestGoexit(t *testing.T) {
	p := mustNew(t, counting{10}, pipeline.Options{Batch: 2, Workers: 2}, unpack{Size: 1},
		pipeline.Named("Exit", pipeline.StageFunc(func(*pipeline.Sample) error { runtime.Goexit(); return nil })))
	for _, err := range p.Batches(context.Background(), 0) {
		if err == nil || !strings.Contains(err.Error(), "Goexit") {
			t.Errorf("error is %v", err)
		}
	}
}

// faulty is counting with a part that fails as a whole.
type faulty struct {
	counting
	from int
}

func (f faulty) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	if i >= f.from {
		return fmt.Errorf("read: %w", &pipeline.SourceError{Err: errInjected})
	}
	return f.counting.Read(ctx, i, s)
}

// TestSourceFails has a source fail as a whole: the run ends with what it says, and nobody is told of a bad image.
func TestSourceFails(t *testing.T) {
	o := pipeline.Options{Batch: 10, Epochs: 1, MaxBad: 1, OnBad: func(err *pipeline.SampleError) { t.Errorf("told of %v", err) }}
	p := mustNew(t, faulty{counting{100}, 60}, o, unpack{Size: 2}, pipeline.Pair(noise{Most: 9}))
	batches := 0
	for rec, err := range p.Batches(t.Context(), 0) {
		if err != nil {
			if !errors.Is(err, errInjected) || !strings.Contains(err.Error(), "sample ") {
				t.Error(err)
			}
			return
		}
		rec.Release()
		batches++
	}
	t.Errorf("%d batches, and no error", batches)
}
