package stages

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/pipeline"
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

// A whole view of a decoded image takes no memory, drawn and done as a pipeline does it.
func TestViewsDoNotAllocate(t *testing.T) {
	scene := readPNG(t, "97x61.png")
	for _, chain := range [][]pipeline.Stage{SimCLR(96, 1), SimCLR(32, 1), Eval(96), {RandomResizedCrop{Size: 48, Interpolation: Bicubic}}} {
		s := newSample(scene, pipeline.Key{Seed: 3})
		var room [8]float64
		run := func() {
			copy(s.Next(scene.W, scene.H).Pix, scene.Pix)
			s.Swap()
			for _, stage := range chain {
				d := stage.(pipeline.Drawer)
				p := room[:len(d.Params())]
				d.Draw(s.Rand, s.Image.W, s.Image.H, p)
				if err := d.ApplyWith(s, p); err != nil {
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
