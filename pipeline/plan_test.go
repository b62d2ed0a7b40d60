package pipeline_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/pipeline"
)

// tuned is a stage with fields of every kind.
type tuned struct {
	Size     int
	Range    [2]float64
	Limit    float64
	Names    map[string]int
	Inner    pipeline.Stage
	Pointer  *float32
	Observe  func()
	Events   chan int
	unstated int
}

func (*tuned) Apply(*pipeline.Sample) error { return nil }

// versioned is a stage with a fingerprint, as a decoder has.
type versioned struct{ version string }

func (versioned) Apply(*pipeline.Sample) error { return nil }
func (v versioned) Fingerprint() string        { return v.version }

// library is a source that knows its content.
type library struct {
	counting
	print string
}

func (l library) Fingerprint() string { return l.print }

func planOptions() pipeline.Options { return pipeline.Options{Batch: 8, Seed: 1} }

func tunedStage() *tuned {
	quarter := float32(0.25)
	return &tuned{
		Size: 224, Range: [2]float64{0.08, 1}, Limit: math.Inf(1), Names: map[string]int{"b": 2, "a": 1},
		Inner: noise{Most: 4}, Pointer: &quarter, Observe: func() {}, Events: make(chan int), unstated: 3,
	}
}

func TestPlanAsJSON(t *testing.T) {
	p := mustNew(t, library{counting{100}, "crc:1234"}, planOptions(), unpack{Size: 2}, versioned{"8.1"},
		pipeline.Named("Tuned", tunedStage()),
		pipeline.PairOf([]pipeline.Stage{mirror{}}, []pipeline.Stage{noise{Most: 3}, noise{Most: 4}}))
	text, err := json.Marshal(p.Plan())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":2,"source":"crc:1234","images":100,"seed":1,"batch":8,"world":1,"ordered":false,"keep_tail":false,` +
		`"stages":[{"name":"unpack","params":{"Size":2}},{"name":"versioned","fingerprint":"8.1"},` +
		`{"name":"Tuned","params":{"Inner":{"type":"noise","value":{"Most":4}},"Limit":"+Inf","Names":{"a":1,"b":2},` +
		`"Pointer":0.25,"Range":[0.08,1],"Size":224}}],` +
		`"views":[[{"name":"mirror"}],[{"name":"noise","params":{"Most":3}},{"name":"noise#2","params":{"Most":4}}]]}`
	if string(text) != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	indented, err := json.MarshalIndent(p.Plan(), "", "    ")
	if err != nil {
		t.Fatal(err)
	}
	var read pipeline.Plan
	if err := json.Unmarshal(indented, &read); err != nil {
		t.Fatal(err)
	}
	if d := p.Plan().Diff(read); d != "" || read.Hash() != p.Plan().Hash() {
		t.Errorf("a plan read from indented JSON differs: %q", d)
	}
}

func TestPlanDiff(t *testing.T) {
	type parts struct {
		src    pipeline.Source
		o      pipeline.Options
		stages []pipeline.Stage
		views  []pipeline.Stage
	}
	for _, c := range []struct {
		name   string
		change func(p *parts)
		want   string
	}{
		{"nothing", func(*parts) {}, ""},
		{"execution", func(p *parts) {
			p.o.Workers, p.o.Prefetch, p.o.Epochs, p.o.MaxBad = 7, 9, 3, 0.5
			p.o.Allocator = memory.NewGoAllocator()
		}, ""},
		{"rank", func(p *parts) { p.o.Rank = 1 }, ""},
		{"source", func(p *parts) { p.src = library{counting{100}, "v2"} }, "source is v2, was v1"},
		{"size of source", func(p *parts) { p.src = library{counting{99}, "v1"} }, "number of images is 99, was 100"},
		{"seed", func(p *parts) { p.o.Seed = 2 }, "seed is 2, was 1"},
		{"batch", func(p *parts) { p.o.Batch = 16 }, "batch is 16, was 8"},
		{"world", func(p *parts) { p.o.World = 4 }, "world is 4, was 2"},
		{"ordered", func(p *parts) { p.o.Ordered = true }, "ordered is true, was false"},
		{"tail", func(p *parts) { p.o.KeepTail = true }, "keep_tail is true, was false"},
		{"window", func(p *parts) { p.o.Window = 99 }, "window is 99 images, was all images"},
		{"window of all", func(p *parts) { p.o.Window = 100 }, ""},
		{"window in order", func(p *parts) { p.o.Window, p.o.Ordered = 99, true }, "ordered is true, was false"},
		{"field", func(p *parts) { p.stages[0] = unpack{Size: 3} }, "stage 1, unpack: Size is 3, was 2"},
		{"field in interface", func(p *parts) { p.stages[1].(*tuned).Inner = mirror{} },
			`stage 2, tuned: Inner is {"type":"mirror","value":{}}, was {"type":"noise","value":{"Most":4}}`},
		{"function field", func(p *parts) { p.stages[1].(*tuned).Observe = nil }, ""},
		{"fingerprint", func(p *parts) { p.stages[2] = versioned{"2"} }, `stage 3, versioned: fingerprint is "2", was "1"`},
		{"name", func(p *parts) { p.stages[2] = pipeline.Named("Other", versioned{"1"}) }, "stage 3 is Other, was versioned"},
		{"new stage", func(p *parts) { p.stages = append(p.stages, mirror{}) }, "stage 4, mirror, is new"},
		{"stage gone", func(p *parts) { p.stages = p.stages[:2] }, "stage 3, versioned, is gone"},
		{"no pair", func(p *parts) { p.views = nil }, "number of views is 1, was 2"},
		{"in a view", func(p *parts) { p.views = []pipeline.Stage{noise{Most: 8}} }, "view 1: stage 1, noise: Most is 8, was 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			build := func(change func(*parts)) pipeline.Plan {
				p := parts{
					library{counting{100}, "v1"}, planOptions(),
					[]pipeline.Stage{unpack{Size: 2}, tunedStage(), versioned{"1"}}, []pipeline.Stage{noise{Most: 9}},
				}
				p.o.World = 2
				change(&p)
				if p.views != nil {
					p.stages = append(p.stages, pipeline.Pair(p.views...))
				}
				return mustNew(t, p.src, p.o, p.stages...).Plan()
			}
			was, now := build(func(*parts) {}), build(c.change)
			if d := now.Diff(was); d != c.want {
				t.Errorf("difference is %q, want %q", d, c.want)
			}
			if same := now.Hash() == was.Hash(); same != (c.want == "") {
				t.Errorf("hashes are equal: %v", same)
			}
		})
	}
}

// A plan has a window only where one has an effect, so plans of before there were any stay as they are.
func TestPlanWithWindow(t *testing.T) {
	for _, c := range []struct {
		o    pipeline.Options
		want string // "" where the plan has none
	}{
		{pipeline.Options{Window: 99}, `"keep_tail":false,"window":99,"stages"`},
		{pipeline.Options{Window: 100}, ""},
		{pipeline.Options{Window: 99, Ordered: true}, ""},
	} {
		c.o.Batch = 8
		text, err := json.Marshal(mustNew(t, counting{100}, c.o, unpack{Size: 2}).Plan())
		if err != nil {
			t.Fatal(err)
		}
		if got := string(text); !strings.Contains(got, c.want) || strings.Contains(got, "window") != (c.want != "") {
			t.Errorf("window %d: the plan is %s, want %q in it", c.o.Window, got, c.want)
		}
	}
}

// A source that cannot name its content is named by its type.
func TestPlanNamesSource(t *testing.T) {
	p := mustNew(t, counting{100}, planOptions(), unpack{Size: 2})
	if got := p.Plan().Source; got != "counting" {
		t.Errorf("source is %q", got)
	}
	if h := p.Plan().Hash(); len(h) != 64 || strings.Trim(h, "0123456789abcdef") != "" {
		t.Errorf("hash is %q", h)
	}
}
