package pipeline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/pipeline"
)

// canvas decodes an image of counting to one of a size and pixels of its own, or just a part of it.
type canvas struct{ decoded *atomic.Int64 } // pixels

func (canvas) Shape(pipeline.Shape) (pipeline.Shape, error) { return pipeline.Shape{C: 3}, nil }

func (canvas) Size(s *pipeline.Sample) (w, h int, err error) {
	id := int(binary.LittleEndian.Uint64(s.Bytes))
	if id%31 == 4 {
		return 0, 0, errInjected
	}
	return 8 + id%5, 9 + id%7, nil
}

func (c canvas) Apply(s *pipeline.Sample) error {
	w, h, err := c.Size(s)
	if err != nil {
		return err
	}
	return c.ApplyRegion(s, image.Rect(0, 0, w, h))
}

func (c canvas) ApplyRegion(s *pipeline.Sample, r image.Rectangle) error {
	w, h, _ := c.Size(s)
	r = r.Inset(-1).Intersect(image.Rect(0, 0, w, h)) // more than was asked for, as a JPEG decoder gives
	m := s.Next(r.Dx(), r.Dy())
	for i := range m.Pix {
		x, y := r.Min.X+i/3%r.Dx(), r.Min.Y+i/3/r.Dx()
		m.Pix[i] = s.Bytes[0] + byte(17*x+29*y+i%3)
	}
	m.Origin = r.Min
	c.decoded.Add(int64(r.Dx() * r.Dy()))
	s.Swap()
	return nil
}

// whole is a decoder that cannot decode parts.
type whole struct{ canvas }

func (whole) Size() {} // not that of a RegionDecoder

// window cuts out a random square.
type window struct{ Size int }

func (window) Params() []string { return []string{"x", "y"} }

func (c window) Shape(pipeline.Shape) (pipeline.Shape, error) {
	return pipeline.Shape{H: c.Size, W: c.Size, C: 3}, nil
}

func (c window) Draw(r *rand.Rand, w, h int, p []float64) {
	p[0], p[1] = float64(r.IntN(w-c.Size+1)), float64(r.IntN(h-c.Size+1))
}

func (c window) Part(p []float64) image.Rectangle {
	return image.Rect(0, 0, c.Size, c.Size).Add(image.Pt(int(p[0]), int(p[1])))
}

func (c window) ApplyWith(s *pipeline.Sample, p []float64) error {
	at := c.Part(p).Min.Sub(s.Image.Origin)
	from, to := s.Image, s.Next(c.Size, c.Size)
	for y := range c.Size {
		copy(to.Pix[3*c.Size*y:][:3*c.Size], from.Pix[3*((at.Y+y)*from.W+at.X):])
	}
	s.Swap()
	return nil
}

func (c window) Apply(s *pipeline.Sample) error { return applyDrawn(c, s) }

// fusing is window that takes in a brighten behind it.
type fusing struct{ window }

func (c fusing) Apply(s *pipeline.Sample) error { return applyDrawn(c, s) }

func (c fusing) Fuse(next []pipeline.Drawer) (int, func(*pipeline.Sample, []float64) error) {
	if len(next) == 0 {
		return 0, nil
	}
	b, ok := next[0].(brighten)
	if !ok {
		return 0, nil
	}
	return 1, func(s *pipeline.Sample, p []float64) error {
		if err := c.ApplyWith(s, p[:2]); err != nil {
			return err
		}
		return b.ApplyWith(s, p[2:])
	}
}

// brighten adds a random number to all bytes, in place.
type brighten struct{ Most int }

func (brighten) Params() []string { return []string{"by"} }

func (b brighten) Draw(r *rand.Rand, w, h int, p []float64) { p[0] = float64(r.IntN(b.Most+1) + w + h) }

func (b brighten) ApplyWith(s *pipeline.Sample, p []float64) error {
	for i := range s.Image.Pix {
		s.Image.Pix[i] += byte(p[0])
	}
	return nil
}

func (b brighten) Apply(s *pipeline.Sample) error { return applyDrawn(b, s) }

func applyDrawn(d pipeline.Drawer, s *pipeline.Sample) error {
	p := make([]float64, len(d.Params()))
	d.Draw(s.Rand, s.Image.W, s.Image.H, p)
	return d.ApplyWith(s, p)
}

// bare hides what a stage can do besides Apply.
type bare struct{ pipeline.Stage }

func (b bare) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if s, ok := b.Stage.(pipeline.Shaper); ok {
		return s.Shape(in)
	}
	return in, nil
}

const cropImages = 100

func cropOptions() pipeline.Options {
	return pipeline.Options{Batch: 10, Epochs: 2, Seed: 5, MaxBad: 0.5}
}

// cropDigest is the digest of all batches, and the pixels that were decoded for them.
func cropDigest(t *testing.T, build func(decoded *atomic.Int64) []pipeline.Stage) (digest string, decoded int64) {
	t.Helper()
	var n atomic.Int64
	p := mustNew(t, counting{cropImages}, cropOptions(), build(&n)...)
	d := newDigest()
	digestOf(t, d, p, 0, 2*p.Steps())
	return d.String(), n.Load()
}

// However the work is divided, the views are those of stages that run one by one on whole images.
func TestRegionsAndFusionChangeNoByte(t *testing.T) {
	type stages = []pipeline.Stage
	named := func(s pipeline.Stage) pipeline.Stage { return pipeline.Named("Window", s) }
	plain := func(s pipeline.Stage) pipeline.Stage { return pipeline.Named("Brighten", bare{s}) }
	bright := func(s pipeline.Stage) pipeline.Stage { return pipeline.Named("Brighten", s) }
	crop, light := window{Size: 4}, brighten{Most: 50}
	want, pixels := cropDigest(t, func(n *atomic.Int64) stages {
		return stages{bare{canvas{n}}, pipeline.Pair(named(bare{crop}), plain(light), mirror{})}
	})
	for _, c := range []struct {
		name    string
		build   func(n *atomic.Int64) stages
		regions bool
	}{
		{"croppers on whole images", func(n *atomic.Int64) stages {
			return stages{whole{canvas{n}}, pipeline.Pair(named(crop), bright(light), mirror{})}
		}, false},
		{"one view no cropper", func(n *atomic.Int64) stages {
			return stages{canvas{n}, pipeline.PairOf(
				stages{named(crop), bright(light), mirror{}}, stages{named(bare{crop}), bright(light), mirror{}})}
		}, false},
		{"the other view no cropper", func(n *atomic.Int64) stages {
			return stages{canvas{n}, pipeline.PairOf(
				stages{named(bare{crop}), bright(light), mirror{}}, stages{named(crop), bright(light), mirror{}})}
		}, false},
		{"regions", func(n *atomic.Int64) stages {
			return stages{canvas{n}, pipeline.Pair(named(crop), bright(light), mirror{})}
		}, true},
		{"regions and fusion", func(n *atomic.Int64) stages {
			return stages{canvas{n}, pipeline.Pair(named(fusing{crop}), bright(light), mirror{})}
		}, true},
		{"decoding inside the pair", func(n *atomic.Int64) stages {
			return stages{pipeline.Pair(canvas{n}, named(fusing{crop}), bright(light), mirror{})}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, n := cropDigest(t, c.build)
			if got != want {
				t.Errorf("digest %s, want %s", got, want)
			}
			if c.name != "decoding inside the pair" && c.regions != (n < pixels) {
				t.Errorf("%d pixels were decoded, %d for whole images", n, pixels)
			}
		})
	}
}

// The same without Pair, where the cropper is in one chain with the decoder.
func TestRegionOfOneView(t *testing.T) {
	build := func(decode func(canvas) pipeline.Stage) func(*atomic.Int64) []pipeline.Stage {
		return func(n *atomic.Int64) []pipeline.Stage {
			return []pipeline.Stage{decode(canvas{n}), fusing{window{Size: 4}}, brighten{Most: 9}}
		}
	}
	want, pixels := cropDigest(t, build(func(c canvas) pipeline.Stage { return whole{c} }))
	got, n := cropDigest(t, build(func(c canvas) pipeline.Stage { return c }))
	if got != want || n >= pixels {
		t.Errorf("digest %s, want %s; %d pixels decoded, %d for whole images", got, want, n, pixels)
	}
}

// stray is a window beside the image.
type stray struct{ window }

func (stray) Part([]float64) image.Rectangle { return image.Rect(-1, 0, 3, 4) }

// keeper is a window that writes its result over its input.
type keeper struct{ window }

func (c keeper) ApplyWith(s *pipeline.Sample, p []float64) error {
	if err := c.window.ApplyWith(s, p); err != nil {
		return err
	}
	s.Swap()
	return nil
}

func TestCroppersThatBreakTheirPromise(t *testing.T) {
	for _, c := range []struct {
		stage pipeline.Stage
		says  string
	}{
		{stray{window{Size: 4}}, "would read (-1,0)-(3,4) of an image of (0,0)-"},
		{keeper{window{Size: 4}}, "Sample.Next and Sample.Swap"},
	} {
		p := mustNew(t, counting{cropImages}, cropOptions(), canvas{new(atomic.Int64)}, pipeline.Pair(c.stage))
		_, err := p.Replay(context.Background(), 0, 1)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%T: %v, want an error that says %q", c.stage, err, c.says)
		}
	}
}

// paramsPipeline draws in the base chain and in views that are not the same.
func paramsPipeline(t *testing.T, o pipeline.Options) *pipeline.Pipeline {
	type stages = []pipeline.Stage
	return mustNew(t, counting{cropImages}, o, canvas{new(atomic.Int64)}, brighten{Most: 3}, pipeline.PairOf(
		stages{fusing{window{Size: 4}}, brighten{Most: 50}, noise{Most: 1}},
		stages{mirror{}, window{Size: 4}, pipeline.Named("Light", brighten{Most: 7})}))
}

func TestParams(t *testing.T) {
	checked := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer checked.AssertSize(t, 0)
	o := cropOptions()
	o.Params, o.Allocator = true, checked
	p := paramsPipeline(t, o)
	step := 0
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if !rec.Schema().Equal(p.Schema()) {
			t.Fatalf("schema %v, announced %v", rec.Schema(), p.Schema())
		}
		for i, r := range rows(t, rec) {
			got, err := pipeline.Params(rec, i)
			if err != nil {
				t.Fatal(err)
			}
			if want := wantParams(r.id, uint64(step/p.Steps())); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("step %d, sample %d: parameters\n%v, want\n%v", step, r.id, got, want)
			}
		}
		if _, err := pipeline.Params(rec, int(rec.NumRows())); err == nil {
			t.Error("a row behind the last has parameters")
		}
		step++
	}
	o.Params = false
	plain := paramsPipeline(t, o)
	a, b := newDigest(), newDigest()
	digestOf(t, a, p, 0, 3)
	digestOf(t, b, plain, 0, 3)
	if a.String() != b.String() {
		t.Error("Options.Params changes the views")
	}
	if p.Plan().Hash() != plain.Plan().Hash() {
		t.Error("Options.Params changes the plan")
	}
	rec, err := plain.Replay(context.Background(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	if _, err := pipeline.Params(rec, 0); err == nil || !strings.Contains(err.Error(), "Options.Params") {
		t.Errorf("parameters that were not asked for: %v", err)
	}
}

// wantParams draws what paramsPipeline draws for a sample, by its keys.
func wantParams(id, epoch uint64) []pipeline.Drawn {
	rnd := func(stage string, view int) *rand.Rand {
		return pipeline.Key{Seed: cropOptions().Seed, Stage: stage, Epoch: epoch, ID: id, View: view}.Rand()
	}
	w, h := 8+int(id)%5, 9+int(id)%7
	draw := func(d pipeline.Drawer, stage string, view, w, h int) pipeline.Drawn {
		p := make([]float64, len(d.Params()))
		d.Draw(rnd(stage, view), w, h, p)
		return pipeline.Drawn{View: view, Stage: stage, Names: d.Params(), Values: p}
	}
	return []pipeline.Drawn{
		draw(brighten{3}, "brighten", 0, w, h),
		draw(window{4}, "fusing", 1, w, h), draw(brighten{50}, "brighten#2", 1, 4, 4),
		draw(window{4}, "window", 2, w, h), draw(brighten{7}, "Light", 2, 4, 4),
	}
}

func TestParamsNeedADrawer(t *testing.T) {
	_, err := pipeline.New(counting{10}, pipeline.Options{Batch: 2, Params: true}, unpack{Size: 4})
	if err == nil || !strings.Contains(err.Error(), "Options.Params") {
		t.Errorf("no stage is a Drawer: %v", err)
	}
}

// Replay makes the very rows of the batches, bad samples around them or not.
func TestReplay(t *testing.T) {
	checked := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer checked.AssertSize(t, 0)
	o := cropOptions()
	o.Params, o.Allocator = true, checked
	p := paramsPipeline(t, o)
	step := 0
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		ids, err := pipeline.IDs(rec)
		if err != nil {
			t.Fatal(err)
		}
		again, err := paramsPipeline(t, o).Replay(context.Background(), uint64(step/p.Steps()), ids...)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(rec) != fmt.Sprint(again) {
			t.Errorf("step %d: the replay differs:\n%v\n%v", step, rec, again)
		}
		again.Release()
		step++
	}
	var bad *pipeline.SampleError
	if _, err := p.Replay(context.Background(), 0, 1, 35); !errors.As(err, &bad) || bad.ID != 35 || bad.Stage != "canvas" {
		t.Errorf("a bad image: %v", err)
	}
	if _, err := p.Replay(context.Background(), 0, cropImages); err == nil || !strings.Contains(err.Error(), "no image 100") {
		t.Errorf("an image that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	waits := pipeline.Named("Waits", pipeline.StageFunc(func(s *pipeline.Sample) error { return s.Context().Err() }))
	q := mustNew(t, counting{10}, pipeline.Options{Batch: 2, Allocator: checked}, unpack{Size: 4}, waits)
	if _, err := q.Replay(ctx, 0, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Batches take their memory from a pool: as many blocks as there are at once, not as there are batches.
func TestBlocksAreReused(t *testing.T) {
	checked := memory.NewCheckedAllocator(memory.DefaultAllocator)
	counted := &counter{Allocator: checked}
	p := mustNew(t, counting{1000}, pipeline.Options{Batch: 10, Epochs: 1, Prefetch: 2, Allocator: counted}, unpack{Size: 4})
	var kept []arrow.Record
	var want []string
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if len(kept) < 2 {
			rec.Retain()
			kept = append(kept, rec)
			want = append(want, fmt.Sprint(rec))
		}
	}
	if n := counted.n.Load(); n > 3+2 {
		t.Errorf("%d blocks were allocated for 100 batches of which 3 exist at once, and 2 that are kept", n)
	}
	for i, rec := range kept {
		if fmt.Sprint(rec) != want[i] {
			t.Error("a record that is kept has changed")
		}
		rec.Release()
	}
	checked.AssertSize(t, 0)
}

// counter counts allocations.
type counter struct {
	memory.Allocator
	n atomic.Int64
}

func (c *counter) Allocate(n int) []byte {
	c.n.Add(1)
	return c.Allocator.Allocate(n)
}
