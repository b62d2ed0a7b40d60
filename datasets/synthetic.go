package datasets

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/goclr/goclr/pipeline"
)

// Synthetic describes a procedural set: textured figures of ten classes, one to an image, of any colour, place, size and
// tilt, on textured grounds. Mean colour and position say next to nothing of the class. Pixels do: with a few thousand images the
// nearest of them, each centred on its mean, has the same class three times out of four, since a class always has the same
// texture. So the set shows that training works, not how good an encoder is. Image i is a function of
// (Seed, Split, Size, i) alone, real JPEG bytes, the same on every machine.
type Synthetic struct {
	N     int    // images; their classes take turns. Default 20000, and 2000 where Split is "test".
	Size  int    // width and height in pixels, 8 to 4096. Default 32.
	Seed  uint64 // Default 1.
	Split string // "train" or "test": two sets that share no image. Default "train".
}

// cacheBytes is how much of a procedural set is kept once made: all of it at small sizes, nothing of a set that is larger.
const cacheBytes = 256 << 20

// NewSynthetic opens a procedural set.
func NewSynthetic(o Synthetic) (Dataset, error) {
	if o.Split == "" {
		o.Split = "train"
	}
	if o.N == 0 {
		o.N = 20000
		if o.Split == "test" {
			o.N = 2000
		}
	}
	if o.Size == 0 {
		o.Size = 32
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	switch {
	case o.Split != "train" && o.Split != "test":
		return nil, fmt.Errorf("synthetic: no split %q; it has test, train", o.Split)
	case o.N < 1 || o.N > math.MaxInt32:
		return nil, fmt.Errorf("synthetic: n=%d, want 1 to %d images", o.N, math.MaxInt32)
	case o.Size < 8 || o.Size > side:
		return nil, fmt.Errorf("synthetic: size=%d, want 8 to %d pixels", o.Size, side)
	}
	d := &synthetic{Synthetic: o, classes: make([]string, len(figures))}
	for i, f := range figures {
		d.classes[i] = f.name
	}
	if o.N*(o.Size*o.Size+1024) <= cacheBytes {
		d.cache = make([]atomic.Pointer[[]byte], o.N)
	}
	return d, nil
}

// SyntheticTest returns the name of the test split of the procedural set that spec names, and false if it names another dataset.
func SyntheticTest(spec string) (string, bool) {
	if !isSynthetic(spec) {
		return "", false
	}
	set, _, _ := strings.Cut(spec, "#")
	return set + "#test", true
}

func isSynthetic(spec string) bool {
	rest, ok := strings.CutPrefix(spec, "synthetic")
	return ok && (rest == "" || rest[0] == ':' || rest[0] == '#')
}

// openSynthetic reads "synthetic:n=20000,size=32,seed=1#train", where everything but the first word may be left out.
func openSynthetic(spec string) (Dataset, error) {
	var o Synthetic
	rest, split, _ := strings.Cut(strings.TrimPrefix(spec, "synthetic"), "#")
	o.Split = split
	for option := range strings.SplitSeq(strings.TrimPrefix(rest, ":"), ",") {
		if option == "" {
			continue
		}
		name, value, _ := strings.Cut(option, "=")
		n, err := strconv.ParseUint(value, 10, 63)
		switch name {
		case "n":
			o.N = int(n)
		case "size":
			o.Size = int(n)
		case "seed":
			o.Seed = n
		default:
			err = errors.New("no such option")
		}
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%s: cannot read %q; write for example synthetic:n=20000,size=32,seed=1#test, "+
				"with numbers from 1", spec, option)
		}
	}
	return NewSynthetic(o)
}

type synthetic struct {
	Synthetic
	classes []string
	cache   []atomic.Pointer[[]byte] // nil where the set is too large
}

func (d *synthetic) Len() int          { return d.N }
func (d *synthetic) Classes() []string { return d.classes }
func (d *synthetic) Close() error      { return nil }

// syntheticVersion changes whenever an image does.
const syntheticVersion = 1

func (d *synthetic) Fingerprint() string {
	return fmt.Sprintf("synthetic %d n=%d size=%d seed=%d split=%s", syntheticVersion, d.N, d.Size, d.Seed, d.Split)
}

// describe implements describer.
func (d *synthetic) describe(i int, s *pipeline.Sample) error {
	class := i % len(figures)
	s.Label = int32(class)
	s.Key = d.Split + "/" + figures[class].name + "/" + strconv.Itoa(i) + ".jpg"
	return nil
}

func (d *synthetic) Read(_ context.Context, i int, s *pipeline.Sample) error {
	if err := d.describe(i, s); err != nil {
		return err
	}
	if d.cache == nil {
		s.Bytes = d.make(i, d.room(s), s.Scratch(3*d.Size*d.Size))
		return nil
	}
	b := d.cache[i].Load()
	if b == nil { // two goroutines may make the same image: the same bytes
		made := append([]byte(nil), d.make(i, d.room(s), s.Scratch(3*d.Size*d.Size))...)
		b = &made
		d.cache[i].Store(b)
	}
	s.Bytes = *b
	return nil
}

// make appends image i to b; pixels is room for 3*Size*Size bytes.
func (d *synthetic) make(i int, b, pixels []byte) []byte {
	key := pipeline.Key{Seed: d.Seed, Stage: "synthetic/" + d.Split, ID: uint64(i)}
	scene := newScene(i%len(figures), key.Rand())
	scene.draw(pixels, d.Size)
	return appendJPEG(b, pixels, d.Size, d.Size)
}

// room is more than most images need, so that make rarely allocates.
func (d *synthetic) room(s *pipeline.Sample) []byte { return s.Buffer(d.Size*d.Size + 2048)[:0] }
