package main

import (
	"image"
	"reflect"
	"slices"
	"testing"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

func TestDescribe(t *testing.T) {
	jitter := []string{"on", "brightness", "contrast", "saturation", "hue", "order"}
	for _, c := range []struct {
		drawn pipeline.Drawn
		want  line
	}{
		{pipeline.Drawn{Stage: "RandomResizedCrop", Names: boxNames, Values: []float64{31, 12, 210, 180}},
			line{Name: "crop", Texts: []string{"210\u00a0×\u00a0180 at\u00a0(31,\u00a012)"}}},
		{pipeline.Drawn{Stage: "Flip", Names: []string{"on"}, Values: []float64{1}}, line{Name: "flip", Texts: []string{"yes"}}},
		{pipeline.Drawn{Stage: "Flip", Names: []string{"on"}, Values: []float64{0}},
			line{Name: "flip", Texts: []string{"off"}, Off: true}},
		{pipeline.Drawn{Stage: "ColorJitter", Names: jitter, Values: []float64{1, 1.314, 0.5, 2, -0.04, 4213}},
			line{Name: "jitter", Texts: []string{"hue −0.040", "contrast ×0.50", "brightness ×1.31", "saturation ×2.00"}}},
		{pipeline.Drawn{Stage: "ColorJitter#2", Names: jitter, Values: []float64{1, 1, 0.5, 1, 0, 1234}}, // what changes nothing is left out
			line{Name: "jitter 2", Texts: []string{"contrast ×0.50"}}},
		{pipeline.Drawn{Stage: "ColorJitter", Names: jitter, Values: []float64{0, 1.3, 0.5, 2, 0.04, 4213}},
			line{Name: "jitter", Texts: []string{"off"}, Off: true}},
		{pipeline.Drawn{Stage: "GaussianBlur", Names: []string{"on", "sigma"}, Values: []float64{1, 1.2345}},
			line{Name: "blur", Texts: []string{"sigma 1.23"}}},
		{pipeline.Drawn{Stage: "Swirl", Names: []string{"turns", "radius"}, Values: []float64{-0.123456, 12345}},
			line{Name: "Swirl", Texts: []string{"turns -0.123, radius 12345"}}},
		{pipeline.Drawn{Stage: "Patch", Names: []string{"on", "x", "y", "w", "h"}, Values: []float64{1, 1, 2, 3, 4}},
			line{Name: "Patch", Texts: []string{"3\u00a0×\u00a04 at\u00a0(1,\u00a02)"}}},
		{pipeline.Drawn{Stage: "Noise", Names: []string{"seed"}, Values: []float64{1e300}},
			line{Name: "Noise", Texts: []string{"seed 1e+300"}}},
	} {
		c.drawn.View = 2
		other := pipeline.Drawn{View: 1, Stage: "Flip", Names: []string{"on"}, Values: []float64{1}}
		plan := pipeline.Plan{Views: [][]pipeline.PlanStage{{{Name: "Flip"}}, {{Name: "Other"}, {Name: c.drawn.Stage}}}}
		got := describe([]pipeline.Drawn{other, c.drawn}, 2, plan)
		if !reflect.DeepEqual(got, []line{c.want}) {
			t.Errorf("%v is described as %+v, want %+v", c.drawn, got, c.want)
		}
	}
}

// TestCrop takes for the part of the original only what the first stage of the view draws.
func TestCrop(t *testing.T) {
	box := pipeline.Drawn{View: 2, Stage: "RandomResizedCrop", Names: boxNames, Values: []float64{31, 12, 210, 180}}
	flip := pipeline.Drawn{View: 2, Stage: "Flip", Names: []string{"on"}, Values: []float64{1}}
	other := pipeline.Drawn{View: 1, Stage: "RandomResizedCrop", Names: boxNames, Values: []float64{1, 2, 3, 4}}
	if got, want := crop([]pipeline.Drawn{other, box, flip}, 2), image.Rect(31, 12, 241, 192); got != want {
		t.Errorf("the part is %v, want %v", got, want)
	}
	if got := crop([]pipeline.Drawn{other, flip, box}, 2); !got.Empty() {
		t.Errorf("the part is %v behind another stage", got)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 3: "3", -2: "-2", 0.1234: "0.123", 1.5: "1.5", 224: "224", 1234.5: "1234", 1e21: "1e+21"} {
		if got := number(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}

// TestDescribeAddedBrightness tells the jitter of the first SimCLR from others, whose parameters have the same names.
func TestDescribeAddedBrightness(t *testing.T) {
	drawn := []pipeline.Drawn{{View: 1, Stage: "ColorJitter", Names: append([]string{"on"}, jitterNames...), Values: []float64{1, 0.314, 0.5, 2, 0, 1234}}}
	views, err := stages.Preset("simclr-v1", 32, 1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.New(open(t, "synthetic:n=8"), pipeline.Options{Batch: 1}, stages.Decode{}, pipeline.Pair(views...))
	if err != nil {
		t.Fatal(err)
	}
	got := describe(drawn, 1, p.Plan())
	if want := []string{"brightness +0.314", "contrast ×0.50", "saturation ×2.00"}; len(got) != 1 || !slices.Equal(got[0].Texts, want) {
		t.Errorf("described as %+v, want %q", got, want)
	}
}
