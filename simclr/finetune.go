package simclr

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr/probe"
	"github.com/goclr/goclr/stages"
)

// Finetune trains a whole network on labelled images and measures it on others: the semi-supervised evaluation of the paper
// (section 6), or from untrained weights its supervised baseline. The recipe is that of appendix B.5: a linear classifier in place
// of the projection head, random crops and flips, SGD with Nesterov momentum of 0.9, neither weight decay nor warm-up; and a
// cosine schedule, as in the reference code.
type Finetune struct {
	// Classes is the number of classes.
	Classes int
	// Epochs is the length of the schedule: in the paper 60 with 1 % of the labels and 30 with 10 %. The default is 30.
	Epochs int
	// Batch is the number of images of a step. The default is 64.
	Batch int
	// LearningRate is that of the first step. The default is 0.05*Batch/256, as in the paper.
	LearningRate float64
	// Seed decides the order of the images and the crops. The default is 0.
	Seed uint64
	// EvaluateEvery is the number of epochs between measurements on the test images; there is always one at the end. The default is
	// 0: no other.
	EvaluateEvery int
	// Images says how images are decoded; its Observe is told of the test images. With SkipBad, another image takes the place of a bad
	// one in training. The zero value is good.
	Images FeatureOptions
	// Observe is told of each step and each measurement, whose Evaluation is called "test". The default is nil.
	Observe func(Record)
}

func (f Finetune) withDefaults() Finetune {
	if f.Epochs == 0 {
		f.Epochs = 30
	}
	if f.Batch == 0 {
		f.Batch = 64
	}
	if f.LearningRate == 0 {
		f.LearningRate = 0.05 * float64(f.Batch) / 256
	}
	if f.Observe == nil {
		f.Observe = func(Record) {}
	}
	return f
}

// Score trains the network of c, from the weights w of an encoder or, if w is nil, from the untrained ones of c, and returns the
// share of test images that get the largest logit for their class when the schedule has ended, in [0,1]. The result is the same
// every time on the same backend.
func (f Finetune) Score(ctx context.Context, b backends.Backend, c Config, w backends.Weights, train, test pipeline.Source) (accuracy float64, err error) {
	f = f.withDefaults()
	if f.Epochs < 1 || f.EvaluateEvery < 0 {
		return 0, fmt.Errorf("%d epochs, measured every %d: train for at least 1, and measure every 0 (at the end) or more", f.Epochs, f.EvaluateEvery)
	}
	o := Optimizer{Name: "sgd", LearningRate: f.LearningRate, Momentum: 0.9, Nesterov: true}
	step, initial, err := c.Model.ClassifierStep(f.Batch, f.Classes, o, c.Seed)
	if err != nil {
		return 0, err
	}
	options := pipeline.Options{
		Batch: f.Batch, Epochs: f.Epochs, Seed: f.Seed, Workers: f.Images.Workers, MaxBad: f.Images.maxBad(),
	}
	chain := append([]pipeline.Stage{stages.Decode{MaxPixels: f.Images.MaxPixels}}, stages.Supervised(c.Model.ImageSize)...)
	batches, err := pipeline.New(train, options, chain...)
	if err != nil {
		return 0, err
	}
	program, err := b.Compile(ctx, step)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, program.Close()) }()
	if w != nil {
		initial = underClassifier(w, initial)
	}
	if err := program.Load(initial); err != nil {
		return 0, err
	}
	t := finetuning{f, c.Model, o, program, batches}
	return t.run(ctx, test)
}

// finetuning is a Finetune on its way.
type finetuning struct {
	Finetune
	model     Model
	optimizer Optimizer
	program   backends.Program
	batches   *pipeline.Pipeline
}

func (t *finetuning) run(ctx context.Context, test pipeline.Source) (accuracy float64, err error) {
	perEpoch := t.batches.Steps()
	steps, done := t.Epochs*perEpoch, 0
	for batch, err := range ahead(ctx, t.batches, t.program, 0, steps) {
		if err != nil {
			return 0, t.Images.explain(err)
		}
		rate := t.optimizer.rate(done, perEpoch, steps)
		m, err := t.program.Step(ctx, batch, rate)
		if err != nil {
			return 0, err
		}
		if l := float64(m.Loss); math.IsNaN(l) || math.IsInf(l, 0) {
			return 0, fmt.Errorf("step %d: the loss is %v: train with a lower learning rate than %g", done+1, m.Loss, t.LearningRate)
		}
		done++
		at := Record{Step: done, Epoch: float64(done) / float64(perEpoch)}
		taken := at
		taken.Loss, taken.Accuracy, taken.LearningRate = &m.Loss, &m.Accuracy, &rate
		t.Observe(taken)
		if done == steps || t.EvaluateEvery > 0 && done%(t.EvaluateEvery*perEpoch) == 0 {
			if accuracy, err = t.measure(ctx, test); err != nil {
				return 0, err
			}
			at.Evaluation = map[string]float64{"test": accuracy}
			t.Observe(at)
		}
	}
	return accuracy, nil
}

// measure returns the share of images that the network as it stands puts into the right class.
func (t *finetuning) measure(ctx context.Context, test pipeline.Source) (float64, error) {
	logits, err := features(ctx, test, t.model.ImageSize, t.model.featureRows(), t.Images, t.Classes,
		func(ctx context.Context, batch arrow.Record) ([]float32, error) {
			e, err := t.program.Embed(ctx, batch, backends.Eval)
			return e.Data, err
		})
	if err != nil {
		return 0, err
	}
	right := 0
	for i, label := range logits.Labels {
		if label < 0 || int(label) >= t.Classes {
			return 0, fmt.Errorf("test image %d has label %d, of classes 0 to %d: measure on labelled images of the same classes",
				logits.IDs[i], label, t.Classes-1)
		}
		if largest(logits, i) == int(label) {
			right++
		}
	}
	return float64(right) / float64(logits.Len()), nil
}

// largest is the index of the first of the largest numbers of row i.
func largest(f *probe.Features, i int) int {
	best, row := 0, f.Row(i)
	for j, v := range row {
		if v > row[best] {
			best = j
		}
	}
	return best
}
