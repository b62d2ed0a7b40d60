package stages

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

func TestStagesRefuseWhatTheyCannotDo(t *testing.T) {
	any, small := pipeline.Shape{C: 3}, pipeline.Shape{H: 32, W: 32, C: 3}
	for _, c := range []struct {
		stage pipeline.Shaper
		in    pipeline.Shape
		says  string
	}{
		{Decode{}, any, "decoded already"},
		{RandomResizedCrop{Size: 32}, pipeline.Shape{}, "put stages.Decode before"},
		{RandomResizedCrop{}, any, "Size is 0"},
		{RandomResizedCrop{Size: 1 << 20}, any, "Size is 1048576"},
		{RandomResizedCrop{Size: 32, Scale: [2]float64{0.5, 0.1}}, any, "Scale"},
		{RandomResizedCrop{Size: 32, Scale: [2]float64{0, 1}}, any, "Scale"},
		{RandomResizedCrop{Size: 32, Ratio: [2]float64{-1, 1}}, any, "Ratio"},
		{RandomResizedCrop{Size: 32, Interpolation: 7}, any, "Interpolation(7)"},
		{Resize{Size: -1}, any, "Size is -1"},
		{Resize{Size: 32}, pipeline.Shape{}, "put stages.Decode before"},
		{CenterCrop{Size: 32, Fraction: 1.5}, any, "Fraction is 1.5"},
		{CenterCrop{Size: 32}, pipeline.Shape{}, "put stages.Decode before"},
		{Flip{}, any, "never act"},
		{Flip{P: 1.5}, any, "P is 1.5"},
		{Flip{P: math.NaN()}, any, "P is NaN"},
		{Flip{P: 0.5}, pipeline.Shape{}, "put stages.Decode before"},
		{Grayscale{}, any, "never act"},
		{Grayscale{P: 0.2}, pipeline.Shape{}, "put stages.Decode before"},
		{ColorJitter{Brightness: 1}, any, "never act"},
		{ColorJitter{P: 1}, any, "are all 0"},
		{ColorJitter{P: 1, Hue: 0.6}, any, "Hue is 0.6"},
		{ColorJitter{P: 1, Contrast: -1}, any, "Contrast is -1"},
		{ColorJitter{P: 1, Contrast: 1}, pipeline.Shape{}, "put stages.Decode before"},
		{GaussianBlur{}, any, "never act"},
		{GaussianBlur{P: 1, Kernel: 4}, any, "odd"},
		{GaussianBlur{P: 1, Sigma: [2]float64{2, 1}}, any, "Sigma"},
		{GaussianBlur{P: 1, Kernel: 65}, small, "reaches beyond"},
		{GaussianBlur{P: 1}, pipeline.Shape{H: 16, W: 16, C: 3}, "set Kernel"},
		{GaussianBlur{P: 1}, pipeline.Shape{}, "put stages.Decode before"},
		{RandomResizedCrop{Size: 32, Style: 5}, any, "Style is Style(5)"},
		{ColorJitter{P: 1, Hue: 0.1, Style: -1}, any, "Style is Style(-1)"},
		{ColorJitter{P: 1, Contrast: 1.04, Style: TensorFlow}, any, "Contrast is 1.04, want 0 to 1 with Style TensorFlow"},
		{ColorJitter{P: 1, Saturation: 1.2, Style: TensorFlow}, any, "Saturation is 1.2, want 0 to 1 with Style TensorFlow"},
		{Grayscale{P: 1, Style: 2}, any, "Style"},
		{GaussianBlur{P: 1, Style: 2}, any, "Style"},
		{Solarize{}, any, "never act"},
		{Solarize{P: 1, Threshold: 256}, any, "Threshold is 256"},
		{Solarize{P: 1, Threshold: -1}, any, "Threshold is -1"},
		{Solarize{P: 1}, pipeline.Shape{}, "put stages.Decode before"},
		{Rotate{}, pipeline.Shape{H: 32, W: 48, C: 3}, "make it square before"},
		{Rotate{}, pipeline.Shape{}, "put stages.Decode before"},
		{Cutout{}, any, "never act"},
		{Cutout{P: 1, Scale: [2]float64{0.5, 2}}, any, "Scale is [0.5 2]"},
		{Cutout{P: 1}, pipeline.Shape{}, "put stages.Decode before"},
		{Sobel{}, any, "never act"},
		{Sobel{P: 1}, pipeline.Shape{}, "put stages.Decode before"},
		{GaussianNoise{}, any, "never act"},
		{GaussianNoise{P: 1, Sigma: [2]float64{0.2, 0.1}}, any, "Sigma is [0.2 0.1]"},
		{GaussianNoise{P: 1, Sigma: [2]float64{10, 20}}, any, "shares of the range"},
		{GaussianNoise{P: 1}, pipeline.Shape{}, "put stages.Decode before"},
	} {
		if _, err := c.stage.Shape(c.in); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%T%+v after %v: %v, want an error saying %q", c.stage, c.stage, c.in, err, c.says)
		}
	}
}

// shapeOf asks a chain for its result.
func shapeOf(t *testing.T, chain []pipeline.Stage) pipeline.Shape {
	t.Helper()
	var shape pipeline.Shape
	for _, stage := range append([]pipeline.Stage{Decode{}}, chain...) {
		var err error
		if shape, err = stage.(pipeline.Shaper).Shape(shape); err != nil {
			t.Fatal(err)
		}
	}
	return shape
}

func TestPresets(t *testing.T) {
	for _, c := range []struct {
		name  string
		chain []pipeline.Stage
		want  []pipeline.Stage
		size  int
	}{
		{"SimCLR(224, 1)", SimCLR(224, 1), []pipeline.Stage{RandomResizedCrop{Size: 224}, Flip{P: 0.5},
			ColorJitter{P: 0.8, Brightness: 0.8, Contrast: 0.8, Saturation: 0.8, Hue: 0.2}, Grayscale{P: 0.2}, GaussianBlur{P: 0.5}}, 224},
		{"CIFAR()", CIFAR(), []pipeline.Stage{RandomResizedCrop{Size: 32}, Flip{P: 0.5},
			ColorJitter{P: 0.8, Brightness: 0.4, Contrast: 0.4, Saturation: 0.4, Hue: 0.1}, Grayscale{P: 0.2}}, 32},
		{"SimCLR(96, 0)", SimCLR(96, 0), []pipeline.Stage{RandomResizedCrop{Size: 96}, Flip{P: 0.5}, Grayscale{P: 0.2}, GaussianBlur{P: 0.5}}, 96},
		{"SimCLR(64, 2.5)", SimCLR(64, 2.5), []pipeline.Stage{RandomResizedCrop{Size: 64}, Flip{P: 0.5},
			ColorJitter{P: 0.8, Brightness: 2, Contrast: 2, Saturation: 2, Hue: 0.5}, Grayscale{P: 0.2}}, 64},
		{"Supervised(224)", Supervised(224), []pipeline.Stage{RandomResizedCrop{Size: 224}, Flip{P: 0.5}}, 224},
		{"Eval(224)", Eval(224), []pipeline.Stage{CenterCrop{Size: 224}}, 224},
		{"Eval(32)", Eval(32), []pipeline.Stage{Resize{Size: 32}}, 32},
	} {
		if !slices.Equal(c.chain, c.want) {
			t.Errorf("%s = %+v, want %+v", c.name, c.chain, c.want)
		}
		if got, want := shapeOf(t, c.chain), (pipeline.Shape{H: c.size, W: c.size, C: 3}); got != want {
			t.Errorf("%s gives %v, want %v", c.name, got, want)
		}
	}
}

func TestPreset(t *testing.T) {
	jitter := ColorJitter{P: 0.8, Brightness: 0.8, Contrast: 0.8, Saturation: 0.8, Hue: 0.2}
	reference := []pipeline.Stage{RandomResizedCrop{Size: 96, Interpolation: BicubicTensorFlow, Style: TensorFlow}, Flip{P: 0.5}, jitter,
		Grayscale{P: 0.2, Style: TensorFlow}, GaussianBlur{P: 0.5, Style: TensorFlow}}
	v1, v2 := slices.Clone(reference), slices.Clone(reference)
	jitter.Style = TensorFlow
	v2[2] = jitter
	jitter.AddBrightness = true
	v1[2] = jitter
	for name, want := range map[string][]pipeline.Stage{"torchvision": SimCLR(96, 1), "simclr-v1": v1, "simclr-v2": v2} {
		got, err := Preset(name, 96, 1)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Preset(%q) = %+v, %v; want %+v", name, got, err, want)
		}
	}
	for _, c := range []struct {
		name     string
		strength float64
		says     string // empty: no error
	}{
		{"byol", 1, "want torchvision, simclr-v1 or simclr-v2"},
		{"torchvision", 2.5, ""}, {"torchvision", 2.6, "strength of the colour jitter is 2.6: want 0 to 2.5"},
		{"simclr-v2", 1.25, ""}, {"simclr-v2", 1.3, "strength of the colour jitter is 1.3: want 0 to 1.25 for the preset simclr-v2"},
		{"simclr-v1", -1, "is -1"}, {"simclr-v1", math.NaN(), "is NaN"}, {"simclr-v1", 0, ""},
	} {
		chain, err := Preset(c.name, 96, c.strength)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("Preset(%q) of strength %g: %v", c.name, c.strength, err)
		case c.says == "":
			shapeOf(t, chain) // the highest strength must pass the stages' own checks
		case err == nil || !strings.Contains(err.Error(), c.says):
			t.Errorf("Preset(%q) of strength %g: %v, want an error saying %q", c.name, c.strength, err, c.says)
		}
	}
}

// Each of the four alone, as the paper compares them: a ColorJitter with the others at 0 must do that one with the drawn factor, and
// nothing else.
func TestOneOfTheColourJitter(t *testing.T) {
	scene := readPNG(t, "48x40.png")
	for _, c := range []struct {
		stage ColorJitter
		name  string
		kind  kernel.ColourKind
		round bool
	}{
		{ColorJitter{P: 1, Brightness: 0.8}, "brightness", kernel.Multiply, false},
		{ColorJitter{P: 1, Contrast: 0.8}, "contrast", kernel.GreyContrast, false},
		{ColorJitter{P: 1, Saturation: 0.8}, "saturation", kernel.GreySaturation, false},
		{ColorJitter{P: 1, Hue: 0.2}, "hue", kernel.TurnHue, false},
		{ColorJitter{P: 1, Brightness: 0.8, Style: TensorFlow}, "brightness", kernel.Multiply, true},
		{ColorJitter{P: 1, Brightness: 0.8, AddBrightness: true, Style: TensorFlow}, "brightness", kernel.Add, true},
		{ColorJitter{P: 1, Contrast: 0.8, Style: TensorFlow}, "contrast", kernel.ChannelContrast, true},
		{ColorJitter{P: 1, Saturation: 0.8, Style: TensorFlow}, "saturation", kernel.HSVSaturation, true},
		{ColorJitter{P: 1, Hue: 0.2, Style: TensorFlow}, "hue", kernel.TurnHue, true},
	} {
		for id := range uint64(10) {
			key := pipeline.Key{Seed: 4, ID: id}
			got, want := newSample(scene, key), newSample(scene, key)
			if err := c.stage.Apply(got); err != nil {
				t.Fatal(err)
			}
			factor := drawn(c.stage, key, 48, 40)[c.name]
			kernel.Colour(want.Image.Pix, []kernel.ColourOp{{Kind: c.kind, Factor: factor, Round: c.round}})
			if !bytes.Equal(got.Image.Pix, want.Image.Pix) {
				t.Fatalf("%+v: sample %d is not the scene with %s %g", c.stage, id, c.name, factor)
			}
			if bytes.Equal(got.Image.Pix, scene.Pix) {
				t.Errorf("%+v does nothing to sample %d", c.stage, id)
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	scene := readPNG(t, "48x40.png")
	for _, c := range []struct{ unset, set pipeline.Drawer }{
		{Solarize{P: 1}, Solarize{P: 1, Threshold: 128}},
		{Cutout{P: 1}, Cutout{P: 1, Scale: [2]float64{0.25, 0.25}}},
		{GaussianNoise{P: 1}, GaussianNoise{P: 1, Sigma: [2]float64{0.1, 0.1}}},
		{GaussianBlur{P: 1, Kernel: 5}, GaussianBlur{P: 1, Kernel: 5, Sigma: [2]float64{0.1, 2}}},
		{CenterCrop{Size: 9}, CenterCrop{Size: 9, Fraction: 0.875}},
		{RandomResizedCrop{Size: 9}, RandomResizedCrop{Size: 9, Scale: [2]float64{0.08, 1}, Ratio: [2]float64{3. / 4, 4. / 3}}},
	} {
		key := pipeline.Key{Seed: 6}
		unset, set := newSample(scene, key), newSample(scene, key)
		if err := errors.Join(c.unset.Apply(unset), c.set.Apply(set)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(unset.Image.Pix, set.Image.Pix) {
			t.Errorf("%+v does not do what %+v does", c.unset, c.set)
		}
	}
}

// Sigma is a share of the range: 0.1 of it is 25.5 levels. Another seed is other noise.
func TestNoiseStrength(t *testing.T) {
	grey := pipeline.Image{W: 200, H: 200, Pix: bytes.Repeat([]byte{128}, 3*200*200)}
	s, other := newSample(grey, pipeline.Key{}), newSample(grey, pipeline.Key{})
	if err := (GaussianNoise{}).ApplyWith(other, []float64{1, 0.1, 1234568}); err != nil {
		t.Fatal(err)
	}
	if err := (GaussianNoise{}).ApplyWith(s, []float64{1, 0.1, 1234567}); err != nil {
		t.Fatal(err)
	}
	var squares float64
	for _, p := range s.Image.Pix {
		squares += (float64(p) - 128) * (float64(p) - 128)
	}
	if got := math.Sqrt(squares / float64(len(s.Image.Pix))); math.Abs(got-25.5) > 0.3 {
		t.Errorf("noise of sigma 0.1 deviates by %.2f levels, want 25.5", got)
	}
	if bytes.Equal(s.Image.Pix, other.Image.Pix) {
		t.Error("two seeds make the same noise")
	}
}

// Brightness that is added has its neutral value at 0: a whole step from black makes everything white.
func TestAddedBrightnessOfOne(t *testing.T) {
	s := newSample(readPNG(t, "48x40.png"), pipeline.Key{})
	if err := (ColorJitter{AddBrightness: true}).ApplyWith(s, []float64{1, 1, 1, 1, 0, 1234}); err != nil {
		t.Fatal(err)
	}
	if bytes.Count(s.Image.Pix, []byte{255}) != len(s.Image.Pix) {
		t.Error("not all is white")
	}
}

// A whole view of a decoded image takes no memory, drawn and done as a pipeline does it, fused or not.
func TestViewsDoNotAllocate(t *testing.T) {
	scene := readPNG(t, "97x61.png")
	reference, err := Preset("simclr-v1", 96, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, chain := range [][]pipeline.Stage{
		SimCLR(96, 1), SimCLR(32, 1), reference, Eval(96),
		{RandomResizedCrop{Size: 48}, Rotate{}, Cutout{P: 1}, GaussianNoise{P: 1}, Solarize{P: 1}, Sobel{P: 1}},
	} {
		s := newSample(scene, pipeline.Key{Seed: 3})
		passes := fuse(chain)
		var room [16]float64
		run := func() {
			copy(s.Next(scene.W, scene.H).Pix, scene.Pix)
			s.Swap()
			for i := range passes {
				if err := passes[i].run(s, room[:]); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 200 {
			run() // until every kind of memory has its largest size
		}
		if n := testing.AllocsPerRun(100, run); n > 0 {
			t.Errorf("%T...: %g allocations a view, want none", chain[0], n)
		}
	}
}

// A pass is what a pipeline does at once.
type pass struct {
	stages []pipeline.Drawer
	with   func(s *pipeline.Sample, p []float64) error
}

// fuse makes the passes of a chain of Drawers.
func fuse(chain []pipeline.Stage) (passes []pass) {
	drawers := make([]pipeline.Drawer, len(chain))
	for i, stage := range chain {
		drawers[i] = stage.(pipeline.Drawer)
	}
	for len(drawers) > 0 {
		n, with := 0, drawers[0].ApplyWith
		if f, ok := drawers[0].(pipeline.Fuser); ok {
			if k, fused := f.Fuse(drawers[1:]); k > 0 {
				n, with = k, fused
			}
		}
		passes = append(passes, pass{drawers[:n+1], with})
		drawers = drawers[n+1:]
	}
	return passes
}

// run draws the parameters of the stages into room and does their work.
func (p *pass) run(s *pipeline.Sample, room []float64) error {
	at := 0
	for _, d := range p.stages {
		n := len(d.Params())
		d.Draw(s.Rand, s.Image.W, s.Image.H, room[at:at+n])
		at += n
	}
	return p.with(s, room[:at])
}
