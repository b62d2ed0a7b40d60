package simclr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/reference"
	"github.com/goclr/goclr/pipeline"
)

// TestClassifierStep: the encoder begins as that of a pretraining, the classifier at zero; all is trained, and evaluation has the
// same weights.
func TestClassifierStep(t *testing.T) {
	c := testConfig()
	o := Optimizer{Name: "sgd", LearningRate: 0.1, Momentum: 0.9, Nesterov: true, WeightDecay: 1e-4}
	s, w, err := c.Model.ClassifierStep(6, 3, o, c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	_, encoder, err := c.Model.EncoderStep(c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range encoder {
		if got, _ := w.Find(want.Name); !slices.Equal(got.Data, want.Data) {
			t.Errorf("the first %s is not that of the encoder", want.Name)
		}
	}
	var classifier []string
	for _, tensor := range w {
		if strings.HasPrefix(tensor.Name, "fc.") {
			classifier = append(classifier, fmt.Sprint(tensor.Name, tensor.Shape))
			if slices.ContainsFunc(tensor.Data, func(v float32) bool { return v != 0 }) {
				t.Errorf("%s does not begin at zero", tensor.Name)
			}
		}
	}
	if got := strings.Join(classifier, " "); got != "fc.weight[3 128] fc.bias[3]" {
		t.Errorf("the classifier is %s", got)
	}
	if s.Spread != nil || s.Project != nil || !slices.Equal(s.Features.Shape, []int{c.Model.featureRows(), 3}) {
		t.Errorf("spread %v, projections %v, features %v", s.Spread, s.Project, s.Features)
	}
	updated := map[string]bool{}
	for _, u := range s.Updates {
		updated[u.Target.Name] = true
		if u.Value.Op == graph.OpVelocity && (u.Value.Attr.Decay != 0) != (len(u.Target.Shape) > 1) {
			t.Errorf("weight decay of %v is %g: only weights decay", u.Target, u.Value.Attr.Decay)
		}
	}
	for _, n := range s.Tensors() {
		if !updated[n.Name] {
			t.Errorf("the step does not update %v", n)
		}
	}
	for _, c := range []struct{ batch, classes int }{{1, 3}, {6, 1}} {
		if _, _, err := testConfig().Model.ClassifierStep(c.batch, c.classes, o, 1); err == nil || !strings.Contains(err.Error(), "at least 2") {
			t.Errorf("batch %d, %d classes: %v", c.batch, c.classes, err)
		}
	}
}

// TestNesterov works out the update of PyTorch's SGD: v = momentum*v + g, p -= rate*(g + momentum*v), with decay in g.
func TestNesterov(t *testing.T) {
	const momentum, decay, rate, p, v = 0.9, 0.1, 0.5, 2.0, 3.0
	b := newBuilder()
	w := b.param("w", Weight, ones, 2, 2)
	s := &graph.Step{Graph: b.g, Loss: b.g.CrossEntropy(w, b.g.Labels(2, 2))} // of gradient (1/2 - 1 at the label)/2, for equal logits
	s.Differentiate(b.trained())
	updates := Optimizer{Name: "sgd", Momentum: momentum, WeightDecay: decay, Nesterov: true}.updates(b, s.Gradients)
	leaves := map[*graph.Node][]float64{}
	for _, n := range b.g.Nodes {
		switch n.Op {
		case graph.OpParam:
			leaves[n] = []float64{p, p, p, p}
		case graph.OpSlot:
			leaves[n] = []float64{v, v, v, v}
		case graph.OpLabels:
			leaves[n] = []float64{0, 1}
		case graph.OpRate:
			leaves[n] = []float64{rate}
		}
	}
	got, err := reference.Eval(t.Context(), b.g, leaves, updates[0].Value, updates[1].Value)
	if err != nil {
		t.Fatal(err)
	}
	for i, gradient := range []float64{-0.25, 0.25, 0.25, -0.25} {
		g := gradient + decay*p
		velocity := momentum*v + g
		if want := p - rate*(g+momentum*velocity); math.Abs(got[0][i]-velocity) > 1e-12 || math.Abs(got[1][i]-want) > 1e-12 {
			t.Errorf("element %d: velocity %g and weight %g, want %g and %g", i, got[0][i], got[1][i], velocity, want)
		}
	}
	if err := (Optimizer{Name: "lars", Nesterov: true}).Validate(); err == nil || !strings.Contains(err.Error(), "only sgd") {
		t.Errorf("LARS with Nesterov momentum: %v", err)
	}
}

// TestFinetune trains on three classes of colours, each told from the others by one of three tints.
func TestFinetune(t *testing.T) {
	c := testConfig()
	var steps, evaluations []Record
	f := Finetune{
		Classes: 3, Epochs: 4, Batch: 6, Seed: 1, LearningRate: 0.05, EvaluateEvery: 2,
		Observe: func(r Record) {
			if r.Evaluation != nil {
				evaluations = append(evaluations, r)
			} else {
				steps = append(steps, r)
			}
		},
	}
	score := func(c Config, w backends.Weights) float64 {
		t.Helper()
		steps, evaluations = nil, nil
		accuracy, err := f.Score(t.Context(), openBackend(t), c, w, tints(18), tints(9))
		if err != nil {
			t.Fatal(err)
		}
		return accuracy
	}
	accuracy := score(c, nil)
	if accuracy < 0.6 {
		t.Errorf("accuracy %.2f after training, chance is 0.33", accuracy)
	}
	if len(steps) != 12 || steps[11].Step != 12 || steps[11].Epoch != 4 {
		t.Fatalf("%d steps, the last is %+v", len(steps), steps[len(steps)-1])
	}
	first := steps[0]
	if math.Abs(float64(*first.Loss)-math.Log(3)) > 1e-5 || *first.LearningRate != 0.05 {
		t.Errorf("the first loss is %v at rate %v, want log 3 of a classifier that knows nothing, at 0.05", *first.Loss, *first.LearningRate)
	}
	if last := *steps[11].LearningRate; last <= 0 || last > 0.05*0.05 {
		t.Errorf("the last rate is %v, want one near 0", last)
	}
	if len(evaluations) != 2 || evaluations[0].Step != 6 || evaluations[1].Step != 12 || evaluations[1].Evaluation["test"] != accuracy {
		t.Errorf("measurements are %+v", evaluations)
	}

	losses := func() (l []float32) {
		for _, r := range steps {
			l = append(l, *r.Loss)
		}
		return l
	}
	want := losses()
	if again := score(c, nil); again != accuracy || !slices.Equal(losses(), want) {
		t.Errorf("the same training gives losses %v, then %v", want, losses())
	}

	// The untrained weights, with a classifier of another set that must not stay, are the same as none.
	_, w, err := c.Model.EncoderStep(c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	other := backends.Tensor{Name: "fc.weight", Shape: []int{1000, 128}, Data: make([]float32, 128000)}
	elsewhere := c
	elsewhere.Seed++
	if score(elsewhere, append(w, other)); !slices.Equal(losses(), want) {
		t.Errorf("from weights that are given, losses are %v, want %v", losses(), want)
	}
	if score(elsewhere, nil); slices.Equal(losses(), want) {
		t.Error("from the weights of another seed, the losses are the same")
	}
	f.Seed++
	if score(c, nil); slices.Equal(losses(), want) {
		t.Error("in another order, the losses are the same")
	}
}

func TestFinetuneDefaults(t *testing.T) {
	f := Finetune{Batch: 512}.withDefaults()
	if f.Epochs != 30 || f.LearningRate != 0.1 {
		t.Errorf("30 epochs at 0.05*512/256 are the defaults, not %d at %g", f.Epochs, f.LearningRate)
	}
}

func TestFinetuneRefuses(t *testing.T) {
	b := &fakeBackend{metrics: func(step int) backends.Metrics {
		if step == 3 {
			return backends.Metrics{Loss: float32(math.NaN())}
		}
		return backends.Metrics{Loss: 1}
	}}
	c := testConfig()
	_, w, err := c.Model.EncoderStep(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		name, says string
		finetune   Finetune
		weights    backends.Weights
		backend    backends.Backend
	}{
		{"negative epochs", "epochs", Finetune{Classes: 3, Epochs: -1, Batch: 6}, nil, b},
		{"a large batch", "at most 18", Finetune{Classes: 3, Batch: 19}, nil, b},
		{"one class", "at least 2", Finetune{Classes: 1, Batch: 6}, nil, b},
		{"weights of another encoder", w[0].Name, Finetune{Classes: 3, Batch: 6}, w[1:], b},
		{"divergence", "step 3: the loss is NaN: train with a lower learning rate", Finetune{Classes: 3, Batch: 6}, nil, b},
		{"more labels than classes", "has label 2, of classes 0 to 1", Finetune{Classes: 2, Batch: 18, Epochs: 1}, nil, openBackend(t)},
	} {
		_, err := r.finetune.Score(t.Context(), r.backend, c, r.weights, tints(18), tints(9))
		if err == nil || !strings.Contains(err.Error(), r.says) {
			t.Errorf("%s: %v, want %q", r.name, err, r.says)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	f := Finetune{Classes: 3, Batch: 6, Observe: func(Record) { cancel() }}
	if _, err := f.Score(ctx, &fakeBackend{}, c, nil, tints(18), tints(9)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
	// The test images are the only ones with a label too many.
	f = Finetune{Classes: 2, Batch: 2, Epochs: 1}
	if _, err := f.Score(t.Context(), openBackend(t), c, nil, tints(2), tints(3)); err == nil || !strings.Contains(err.Error(), "test image 2 has label 2") {
		t.Errorf("a test image of another class: %v", err)
	}
}

// TestFinetuneOnBadImages: with few labels one image less is another experiment, so a bad one must not go unnoticed.
func TestFinetuneOnBadImages(t *testing.T) {
	f := Finetune{Classes: 3, Batch: 6, Epochs: 1}
	b := &fakeBackend{metrics: func(int) backends.Metrics { return backends.Metrics{Loss: 1} }}
	if _, err := f.Score(t.Context(), b, testConfig(), nil, damaged{tints(18)}, tints(9)); err == nil ||
		!strings.Contains(err.Error(), "run ingest") || !strings.Contains(err.Error(), "no image") {
		t.Errorf("a bad training image: %v, want an error that tells what to do", err)
	}
	steps := 0
	f.Images.SkipBad = true
	f.Observe = func(Record) { steps++ }
	_, err := f.Score(t.Context(), b, testConfig(), nil, damaged{tints(18)}, tints(9))
	if !errors.Is(err, backends.ErrUnsupported) || steps != 3 { // the fake backend does not embed
		t.Errorf("with SkipBad: %d steps, then %v, want 3 and an end at the test images", steps, err)
	}
}

// damaged is a source whose image 4 is none.
type damaged struct{ tints }

func (d damaged) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	if err := d.tints.Read(ctx, i, s); err != nil || i != 4 {
		return err
	}
	s.Key, s.Bytes = "no image", []byte("no image")
	return nil
}

// tints is a source of images whose class, the index modulo 3, is their brightest channel.
type tints int

func (n tints) Len() int { return int(n) }

func (n tints) Read(_ context.Context, i int, s *pipeline.Sample) error {
	m := image.NewRGBA(image.Rect(0, 0, 9, 9))
	for j := range 81 {
		tint := [3]uint8{uint8(i*7 + j), uint8(i*5 + j), uint8(i + j)}
		for c := range tint {
			tint[c] %= 100
		}
		tint[i%3] += 120
		m.Set(j%9, j/9, color.RGBA{tint[0], tint[1], tint[2], 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return err
	}
	s.Bytes, s.Label, s.Key = b.Bytes(), int32(i%3), fmt.Sprint(i)
	return nil
}
