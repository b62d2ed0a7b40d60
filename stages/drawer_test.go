package stages

import (
	"bytes"
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// every is each stage that draws, in each of its ways to act, with what it takes for an image of 48 by 40 pixels.
var every = []pipeline.Drawer{
	RandomResizedCrop{Size: 24},
	RandomResizedCrop{Size: 24, Interpolation: Bicubic},
	Resize{Size: 20},
	CenterCrop{Size: 20},
	Flip{P: 0.5},
	ColorJitter{P: 0.8, Brightness: 0.8, Contrast: 0.8, Saturation: 0.8, Hue: 0.2},
	Grayscale{P: 0.5},
	GaussianBlur{P: 0.5, Kernel: 9},
	RandomResizedCrop{Size: 24, Style: TensorFlow, Interpolation: BicubicTensorFlow},
	ColorJitter{P: 0.8, Brightness: 0.8, Contrast: 0.8, Saturation: 0.8, Hue: 0.2, Style: TensorFlow},
	ColorJitter{P: 0.8, Brightness: 0.8, AddBrightness: true, Style: TensorFlow},
	Grayscale{P: 0.5, Style: TensorFlow},
	GaussianBlur{P: 0.5, Kernel: 9, Style: TensorFlow},
	Solarize{P: 0.5},
	Solarize{P: 0.5, Threshold: 1},
	Rotate{},
	Cutout{P: 0.5, Fill: [3]uint8{10, 200, 30}},
	Sobel{P: 0.5},
	GaussianNoise{P: 0.5},
}

// eachDrawer runs f for each stage of every.
func eachDrawer(t *testing.T, f func(t *testing.T, d pipeline.Drawer)) {
	for _, d := range every {
		t.Run(fmt.Sprintf("%T%+v", d, d), func(t *testing.T) { f(t, d) })
	}
}

func TestParamsAreNamed(t *testing.T) {
	eachDrawer(t, func(t *testing.T, d pipeline.Drawer) {
		names := d.Params()
		if len(names) == 0 {
			t.Fatal("no parameters")
		}
		if again := d.Params(); &again[0] != &names[0] {
			t.Error("Params makes a new slice at each call")
		}
		if unique := slices.Compact(slices.Sorted(slices.Values(names))); len(unique) != len(names) {
			t.Errorf("names %q repeat", names)
		}
		// A place that Draw leaves out would keep what the stage before it drew.
		for id := range uint64(20) {
			a, b := make([]float64, len(names)), slices.Repeat([]float64{-12345}, len(names))
			k := pipeline.Key{Seed: 5, ID: id}
			d.Draw(k.Rand(), 48, 40, a)
			d.Draw(k.Rand(), 48, 40, b)
			if !slices.Equal(a, b) {
				t.Fatalf("draws %v and %v of one key", a, b)
			}
		}
	})
}

// Apply must be Draw, which sees no pixel, and then ApplyWith, which sees no random number. And it must be visible.
func TestApplyIsDrawThenApplyWith(t *testing.T) {
	scene := readPNG(t, "48x40.png")
	eachDrawer(t, func(t *testing.T, d pipeline.Drawer) {
		acted := 0
		for id := range uint64(60) {
			key := pipeline.Key{Seed: 1, Stage: "drawer", ID: id}
			got, want := newSample(scene, key), newSample(scene, key)
			if err := d.Apply(got); err != nil {
				t.Fatal(err)
			}
			p := make([]float64, len(d.Params()))
			d.Draw(key.Rand(), scene.W, scene.H, p)
			want.Rand = nil
			if err := d.ApplyWith(want, p); err != nil {
				t.Fatal(err)
			}
			if got.Image.W != want.Image.W || !bytes.Equal(got.Image.Pix, want.Image.Pix) {
				t.Fatalf("sample %d is not what its draw %v says", id, p)
			}
			if !bytes.Equal(got.Image.Pix, scene.Pix) {
				acted++
			}
		}
		if acted < 15 {
			t.Errorf("changed %d of 60 images", acted)
		}
	})
}

// A cropper must give the same pixels when it is handed only the part that it says it reads, amid others that are wrong, and it
// must leave that part as it found it: the other view of the image begins from it.
func TestCroppersReadTheirPartAlone(t *testing.T) {
	scene := readPNG(t, "97x61.png")
	eachDrawer(t, func(t *testing.T, d pipeline.Drawer) {
		crop, ok := d.(pipeline.Cropper)
		if !ok {
			t.Skip("no cropper")
		}
		for id := range uint64(40) {
			key := pipeline.Key{Seed: 2, ID: id}
			p := make([]float64, len(d.Params()))
			d.Draw(key.Rand(), scene.W, scene.H, p)
			whole := newSample(scene, key)
			if err := d.ApplyWith(whole, p); err != nil {
				t.Fatal(err)
			}
			part := newSample(around(scene, crop.Part(p), rand.New(rand.NewPCG(id, 0))), key)
			given := part.Image
			before := bytes.Clone(given.Pix)
			if err := d.ApplyWith(part, p); err != nil {
				t.Fatal(err)
			}
			if part.Image.Origin != (image.Point{}) {
				t.Fatalf("the result begins at %v", part.Image.Origin)
			}
			if !bytes.Equal(part.Image.Pix, whole.Image.Pix) {
				t.Fatalf("%v depends on pixels outside of %v", p, crop.Part(p))
			}
			if !bytes.Equal(given.Pix, before) {
				t.Fatal("a cropper wrote to its input")
			}
		}
	})
}

// around returns the part r of an image with a margin of random width and pixels.
func around(m pipeline.Image, r image.Rectangle, random *rand.Rand) pipeline.Image {
	all := image.Rect(0, 0, m.W, m.H)
	with := image.Rect(r.Min.X-random.IntN(9), r.Min.Y-random.IntN(9), r.Max.X+random.IntN(9), r.Max.Y+random.IntN(9)).Intersect(all)
	out := pipeline.Image{W: with.Dx(), H: with.Dy(), Origin: with.Min}
	for y := with.Min.Y; y < with.Max.Y; y++ {
		for x := with.Min.X; x < with.Max.X; x++ {
			if (image.Point{X: x, Y: y}).In(r) {
				out.Pix = append(out.Pix, m.Pix[3*(y*m.W+x):][:3]...)
			} else {
				out.Pix = append(out.Pix, byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()))
			}
		}
	}
	return out
}

// Parameters that were drawn for another image, and a sample without pixels, are errors and no panics.
func TestApplyWithRefuses(t *testing.T) {
	scene := readPNG(t, "48x40.png")
	eachDrawer(t, func(t *testing.T, d pipeline.Drawer) {
		p := make([]float64, len(d.Params()))
		d.Draw(pipeline.Key{}.Rand(), 0, 0, p) // must not panic: what is wrong comes out in ApplyWith
		if err := d.ApplyWith(newSample(pipeline.Image{}, pipeline.Key{}), p); err == nil {
			t.Error("no error for a sample without pixels")
		}
		if _, ok := d.(pipeline.Cropper); ok {
			d.Draw(pipeline.Key{}.Rand(), 480, 400, p)
			if err := d.ApplyWith(newSample(scene, pipeline.Key{}), p); err == nil {
				t.Errorf("no error for the part %v of an image of 48 x 40", p)
			}
		}
	})
}
