package main

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goclr/goclr/pipeline"
)

// A line says in words what one stage drew.
type line struct {
	Name  string
	Texts []string // one, or one for each thing that the stage does, in order
	Off   bool     // the stage did nothing
}

// shortNames are what the stages of SimCLR are called where there is little room; others have their own name.
var shortNames = map[string]string{
	"RandomResizedCrop": "crop", "Flip": "flip", "ColorJitter": "jitter", "Grayscale": "grey", "GaussianBlur": "blur",
}

// describe says what the stages of a view drew, in the order in which they run. View 0 is what comes before the views part.
func describe(drawn []pipeline.Drawn, view int, plan pipeline.Plan) []line {
	chain := plan.Stages
	if view > 0 {
		chain = plan.Views[view-1]
	}
	var lines []line
	for _, d := range drawn {
		if d.View != view {
			continue
		}
		i := slices.IndexFunc(chain, func(s pipeline.PlanStage) bool { return s.Name == d.Stage })
		lines = append(lines, describeStage(d, string(chain[i].Params["AddBrightness"]) == "true"))
	}
	return lines
}

// describeStage says what a stage drew. A jitter multiplies brightness, unless that is added.
func describeStage(d pipeline.Drawn, added bool) line {
	stage, again, _ := strings.Cut(d.Stage, "#")
	l := line{Name: stage}
	if short, ok := shortNames[stage]; ok {
		l.Name = short
	}
	if again != "" {
		l.Name += " " + again
	}
	names, values := d.Names, d.Values
	if len(names) > 0 && names[0] == "on" {
		if values[0] == 0 {
			l.Texts, l.Off = []string{"off"}, true
			return l
		}
		names, values = names[1:], values[1:]
	}
	switch {
	case len(names) == 0:
		l.Texts = []string{"yes"}
	case slices.Equal(names, boxNames):
		l.Texts = []string{fmt.Sprintf("%.0f\u00a0×\u00a0%.0f at\u00a0(%.0f,\u00a0%.0f)", values[2], values[3], values[0], values[1])}
	case slices.Equal(names, jitterNames):
		l.Texts = jitterSteps(values, added)
	default:
		pairs := make([]string, len(names))
		for i, name := range names {
			pairs[i] = name + " " + number(values[i])
		}
		l.Texts = []string{strings.Join(pairs, ", ")}
	}
	return l
}

// The parameters of stages that work on a part of the image, and of stages.ColorJitter behind "on".
var (
	boxNames    = []string{"x", "y", "w", "h"}
	jitterNames = []string{"brightness", "contrast", "saturation", "hue", "order"}
)

// jitterSteps says what acts first to last: the digits of order number the parameters from 1. What changes nothing is left out.
func jitterSteps(values []float64, added bool) []string {
	var steps []string
	order := values[len(values)-1]
	for _, digit := range strconv.Itoa(int(order)) {
		i := int(digit - '1')
		if i < 0 || i >= len(values)-1 {
			return []string{"order " + number(order)}
		}
		switch name, v := jitterNames[i], values[i]; {
		case name == "hue" || name == "brightness" && added:
			if v != 0 {
				steps = append(steps, name+" "+strings.Replace(fmt.Sprintf("%+.3f", v), "-", "−", 1))
			}
		case v != 1:
			steps = append(steps, fmt.Sprintf("%s ×%.2f", name, v))
		}
	}
	return steps
}

// crop is the part of the image that a view shows: what the first of its stages cuts out.
func crop(drawn []pipeline.Drawn, view int) image.Rectangle {
	for _, d := range drawn {
		if d.View != view {
			continue
		}
		if !slices.Equal(d.Names, boxNames) {
			break
		}
		x, y, w, h := int(d.Values[0]), int(d.Values[1]), int(d.Values[2]), int(d.Values[3])
		return image.Rect(x, y, x+w, y+h)
	}
	return image.Rectangle{}
}

// number writes a whole number in full and any other with three digits.
func number(v float64) string {
	if math.Abs(v) < 1e15 && (v == math.Trunc(v) || math.Abs(v) >= 1000) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
