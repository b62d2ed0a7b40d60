package stages

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// Each stage, applied to a sample, must do what its own draw from the same key says, and that must be visible. Together with
// the golden vectors this fails when the effect of any stage is taken out.
func TestApplyDoesWhatDrawSays(t *testing.T) {
	scene := readPNG(t, "48x40.png")
	crop := RandomResizedCrop{Size: 24, Interpolation: Bicubic}
	flip := Flip{P: 0.5}
	jitter := ColorJitter{P: 0.8, Brightness: 0.8, Contrast: 0.8, Saturation: 0.8, Hue: 0.2}
	grey := Grayscale{P: 0.5}
	blur := GaussianBlur{P: 0.5, Kernel: 9}
	for _, c := range []struct {
		name  string
		stage pipeline.Stage
		by    func(s *pipeline.Sample, r *rand.Rand)
	}{
		{"RandomResizedCrop", crop, func(s *pipeline.Sample, r *rand.Rand) {
			resize(s, crop.draw(r, 48, 40), 24, Bicubic)
		}},
		{"Flip", flip, func(s *pipeline.Sample, r *rand.Rand) {
			if flip.draw(r) {
				kernel.Flip(s.Image.Pix, 48)
			}
		}},
		{"ColorJitter", jitter, func(s *pipeline.Sample, r *rand.Rand) { jitter.draw(r).apply(s.Image.Pix) }},
		{"Grayscale", grey, func(s *pipeline.Sample, r *rand.Rand) {
			if grey.draw(r) {
				kernel.Grayscale(s.Image.Pix)
			}
		}},
		{"GaussianBlur", blur, func(s *pipeline.Sample, r *rand.Rand) {
			if on, sigma := blur.draw(r); on {
				kernel.Blur(s.Image.Pix, 48, 40, 4, sigma, s.Scratch(kernel.BlurScratch(48, 4)))
			}
		}},
		{"Resize", Resize{Size: 20}, func(s *pipeline.Sample, _ *rand.Rand) {
			resize(s, kernel.Rect{W: 48, H: 40}, 20, Bilinear)
		}},
		{"CenterCrop", CenterCrop{Size: 20}, func(s *pipeline.Sample, _ *rand.Rand) {
			resize(s, kernel.Rect{X: 6, Y: 2, W: 35, H: 35}, 20, Bilinear)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			acted := 0
			for id := range uint64(60) {
				key := pipeline.Key{Seed: 1, Stage: c.name, ID: id}
				got, want := newSample(scene, key), newSample(scene, key)
				if err := c.stage.Apply(got); err != nil {
					t.Fatal(err)
				}
				c.by(want, key.Rand())
				if got.Image.W != want.Image.W || !bytes.Equal(got.Image.Pix, want.Image.Pix) {
					t.Fatalf("sample %d is not what its draw says", id)
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
}

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
	} {
		if _, err := c.stage.Shape(c.in); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%T%+v after %v: %v, want an error saying %q", c.stage, c.stage, c.in, err, c.says)
		}
	}
}

func TestStagesBeforeDecode(t *testing.T) {
	for _, stage := range append(SimCLR(96, 1), Resize{Size: 8}, CenterCrop{Size: 8}) {
		if err := stage.Apply(pipeline.NewSample(context.Background(), pipeline.Key{})); err == nil {
			t.Errorf("%T on a sample without pixels: no error", stage)
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

// A whole view, from file to pixels, takes memory only in the decoder.
func TestViewsDoNotAllocate(t *testing.T) {
	scene := readPNG(t, "97x61.png")
	for _, chain := range [][]pipeline.Stage{SimCLR(96, 1), SimCLR(32, 1), Eval(96), {RandomResizedCrop{Size: 48, Interpolation: Bicubic}}} {
		s := newSample(scene, pipeline.Key{Seed: 3})
		run := func() {
			copy(s.Next(scene.W, scene.H).Pix, scene.Pix)
			s.Swap()
			for _, stage := range chain {
				if err := stage.Apply(s); err != nil {
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
