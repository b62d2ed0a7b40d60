package pipeline_test

import (
	"math"
	"strings"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

func TestNewRefuses(t *testing.T) {
	src := counting{100}
	type stages = []pipeline.Stage
	ten := pipeline.Options{Batch: 10}
	decode := stages{unpack{Size: 2}}
	double := pipeline.StageFunc(func(*pipeline.Sample) error { return nil })
	var noPointer *pointerStage
	var noFunc pipeline.StageFunc
	for _, c := range []struct {
		name   string
		src    pipeline.Source
		o      pipeline.Options
		stages stages
		text   string
	}{
		{"no source", nil, pipeline.Options{}, decode, "the source is nil"},
		{"empty source", counting{}, pipeline.Options{}, decode, "0 images"},
		{"large batch", src, pipeline.Options{Batch: 101}, decode, "Options.Batch is 101, but the source has 100 images"},
		{"default batch too large", src, pipeline.Options{}, decode, "Options.Batch is 256"},
		{"negative batch", src, pipeline.Options{Batch: -1}, decode, "Options.Batch is -1"},
		{"negative epochs", src, pipeline.Options{Batch: 1, Epochs: -1}, decode, "Options.Epochs is -1"},
		{"negative workers", src, pipeline.Options{Batch: 1, Workers: -1}, decode, "Options.Workers is -1"},
		{"negative prefetch", src, pipeline.Options{Batch: 1, Prefetch: -2}, decode, "Options.Prefetch is -2"},
		{"negative world", src, pipeline.Options{Batch: 1, World: -2}, decode, "Options.World is -2"},
		{"negative rank", src, pipeline.Options{Batch: 1, Rank: -2}, decode, "Options.Rank is -2"},
		{"negative window", src, pipeline.Options{Batch: 1, Window: -2}, decode, "Options.Window is -2"},
		{
			"world does not divide", src, pipeline.Options{Batch: 10, World: 4}, decode,
			"Batch 10 is not divisible by Options.World 4",
		},
		{
			"rank too large", src, pipeline.Options{Batch: 10, World: 2, Rank: 2}, decode,
			"Options.Rank is 2, but Options.World is 2",
		},
		{"percent for fraction", src, pipeline.Options{Batch: 10, MaxBad: 5}, decode, "Options.MaxBad is 5"},
		{"MaxBad not a number", src, pipeline.Options{Batch: 10, MaxBad: math.NaN()}, decode, "Options.MaxBad is NaN"},
		{"no stage", src, ten, nil, "end with an encoded image"},
		{"no decoder", src, ten, stages{mirror{}}, "end with an encoded image"},
		{"no fixed size", src, ten, stages{anySize{}}, "end with an image of any size"},
		{
			"two decoders", src, ten, stages{unpack{2}, mirror{}, unpack{2}},
			"stage unpack#2: unpack needs an encoded image, got 2x2x3",
		},
		{
			"two decoders, one in a pair", src, ten, stages{unpack{2}, pipeline.Pair(unpack{2})},
			"view 1: stage unpack#2: unpack needs",
		},
		{
			"views differ", src, ten, stages{pipeline.PairOf(stages{unpack{2}}, stages{unpack{3}})},
			"view 1 ends as 2x2x3, view 2 as 3x3x3",
		},
		{"too large a view", src, ten, stages{unpack{1 << 15}}, "more than 2^31"},
		{"nil stage", src, ten, stages{unpack{2}, nil}, "stage 2: it is nil"},
		{"nil pointer", src, ten, stages{noPointer}, "stage 1: it is a nil *pipeline_test.pointerStage"},
		{"nil func", src, ten, stages{pipeline.Named("F", noFunc)}, "stage 1: it is a nil pipeline.StageFunc"},
		{"named nil", src, ten, stages{pipeline.Named("F", nil)}, "stage 1: it is nil"},
		{"func without name", src, ten, stages{unpack{2}, double}, "stage 2: a StageFunc has no name"},
		{"type without name", src, ten, stages{struct{ unpack }{unpack{2}}}, "has no name; wrap it"},
		{"empty name", src, ten, stages{unpack{2}, pipeline.Named("", double)}, `the name ""`},
		{"number in name", src, ten, stages{unpack{2}, pipeline.Named("a#2", double)}, `the name "a#2"`},
		{
			"pair not last", src, ten, stages{unpack{2}, pipeline.Pair(mirror{}), mirror{}},
			"stage 2: a Pair must be the last stage",
		},
		{
			"pair in pair", src, ten, stages{unpack{2}, pipeline.Pair(pipeline.Pair(mirror{}))},
			"view 1: stage 1: a Pair must be the last",
		},
		{
			"named pair", src, ten, stages{unpack{2}, pipeline.Named("P", pipeline.Pair(mirror{}))},
			"stage 2: a Pair must be the last",
		},
		{"endless field", src, ten, stages{unpack{2}, endless()}, "stage pointerStage: field Next"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := pipeline.New(c.src, c.o, c.stages...)
			if err == nil || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "pipeline: ") {
				t.Errorf("error is %v, want %q in it", err, c.text)
			}
			if p != nil {
				t.Error("a pipeline came with the error")
			}
		})
	}
}

func TestPipelineDescribesItself(t *testing.T) {
	for _, c := range []struct {
		name  string
		tail  bool
		last  pipeline.Stage
		steps int
		views int
		text  string
	}{
		{"one view", false, mirror{}, 14, 1, "tensor<uint8>[1 2 2 3]"},
		{"with the tail", true, mirror{}, 15, 1, "tensor<uint8>[1 2 2 3]"},
		{"two views", false, pipeline.Pair(mirror{}), 14, 2, "tensor<uint8>[2 2 2 3]"},
	} {
		p := mustNew(t, counting{100}, pipeline.Options{Batch: 7, KeepTail: c.tail}, unpack{Size: 2}, c.last)
		if p.Steps() != c.steps || p.Views() != c.views || p.Shape() != (pipeline.Shape{H: 2, W: 2, C: 3}) {
			t.Errorf("%s: %d steps, %d views of %v", c.name, p.Steps(), p.Views(), p.Shape())
		}
		if got := p.Schema().Field(2).Type.String(); got != c.text {
			t.Errorf("%s: views are %s, want %s", c.name, got, c.text)
		}
	}
}

// A Pair has no meaning outside a pipeline, and says so.
func TestPairAlone(t *testing.T) {
	if err := pipeline.Pair(mirror{}).Apply(nil); err == nil {
		t.Error("no error")
	}
}

// pointerStage is a stage that is used by pointer.
type pointerStage struct{ Next *pointerStage }

func (*pointerStage) Apply(*pipeline.Sample) error { return nil }

func endless() pipeline.Stage {
	s := new(pointerStage)
	s.Next = s
	return s
}

// anySize decodes to an image of a size not known before.
type anySize struct{}

func (anySize) Shape(pipeline.Shape) (pipeline.Shape, error) { return pipeline.Shape{C: 3}, nil }
func (anySize) Apply(*pipeline.Sample) error                 { return nil }
