package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/simclr"
)

const finetuneHelp = `Evaluate finetune trains the whole network, the encoder and a linear classifier, on a fraction of the labels, and reports
its accuracy on the test images (sections 6 and B.5 of the paper): from the weights of the run, and from untrained ones, which is the
supervised baseline. Of each class it takes the same fraction, chosen by a hash of -seed and the names of the images: 1 % is a part of
10 %. Images are cropped and flipped at random; SGD has Nesterov momentum of 0.9, a cosine schedule and no weight decay.

The learning rate that is best from a trained encoder is rarely the best from scratch: tune the baseline with -from scratch -lr.

  evaluate finetune -run runs/a -train train.tar -test test.tar -fraction 0.01
  evaluate finetune -run runs/a -train train.tar -test test.tar -fraction 1 -from scratch -lr 0.1 -epochs 100`

// finetuneFlags are those of evaluate finetune.
type finetuneFlags struct {
	*scoreFlags
	from      string
	fraction  float64
	epochs    int
	batch     int
	rate      float64
	seed      uint64
	evalEvery int
}

// starts are what -from may name.
var starts = []string{"both", "run", "scratch"}

func newFinetuneFlags(f *cli.Flags) *finetuneFlags {
	s := &finetuneFlags{scoreFlags: newScoreFlags(f)}
	f.StringVar(&s.from, "from", "both", "weights to begin with: "+strings.Join(starts, ", "))
	f.Float64Var(&s.fraction, "fraction", 1, "of the training images of each class to use, above 0 and at most 1")
	f.IntVar(&s.epochs, "epochs", 0, "passes over the images (default 60 for a fraction up to 0.01, else 30)")
	f.IntVar(&s.batch, "batch", 64, "images of a step")
	f.Float64Var(&s.rate, "lr", 0, "learning rate at the start (default 0.05*batch/256)")
	f.Uint64Var(&s.seed, "seed", 1, "of the choice and order of images, and of the crops")
	f.IntVar(&s.evalEvery, "eval-every", 0, "epochs between measurements on the test images (default only at the end)")
	return s
}

func (s *finetuneFlags) parse(args []string) error {
	if err := s.scoreFlags.parse(args); err != nil {
		return err
	}
	switch {
	case !slices.Contains(starts, s.from):
		return cli.Usagef("-from %s: choose one of %s", s.from, strings.Join(starts, ", "))
	case !(s.fraction > 0 && s.fraction <= 1):
		return cli.Usagef("-fraction %g: it must be above 0 and at most 1; 0.01 is 1 %% of the labels", s.fraction)
	case s.epochs < 0 || s.evalEvery < 0:
		return cli.Usagef("-epochs %d -eval-every %d: neither may be negative", s.epochs, s.evalEvery)
	case s.batch < 2:
		return cli.Usagef("-batch %d: batch normalisation needs at least 2 images", s.batch)
	case !(s.rate >= 0):
		return cli.Usagef("-lr %g: it must be positive", s.rate)
	}
	if s.epochs == 0 {
		s.epochs = 30
		if s.fraction <= 0.01 {
			s.epochs = 60
		}
	}
	if s.rate == 0 {
		s.rate = 0.05 * float64(s.batch) / 256
	}
	return nil
}

// finetuned is what -json prints. Accuracies are shares, in [0,1]; one that was not measured is left out.
type finetuned struct {
	Method       string   `json:"method"`
	Run          string   `json:"run"`
	Step         int      `json:"step"`
	Fraction     float64  `json:"fraction"`
	Labels       int      `json:"labels"` // images trained on
	Train        int      `json:"train_images"`
	Test         int      `json:"test_images"`
	Epochs       int      `json:"epochs"`
	Batch        int      `json:"batch"`
	LearningRate float64  `json:"learning_rate"`
	Seed         uint64   `json:"seed"`
	Trained      *float64 `json:"trained,omitempty"`
	Untrained    *float64 `json:"untrained,omitempty"`
}

func runFinetune(ctx context.Context, args []string) error {
	s := newFinetuneFlags(cli.NewFlags("evaluate finetune", finetuneHelp))
	if err := s.parse(args); err != nil {
		return err
	}
	c, err := simclr.ReadCheckpoint(s.run)
	if err != nil {
		return err
	}
	train, test, err := s.openSets(ctx)
	if err != nil {
		return err
	}
	defer train.Close()
	defer test.Close()
	some, err := datasets.Balanced(ctx, train, s.fraction, s.seed)
	if err != nil {
		return fmt.Errorf("-train %s: %w", s.train, err)
	}
	if s.batch > some.Len() {
		return cli.Usagef("-batch %d: a fraction of %g has only %d images; use -batch %d or less, or a larger -fraction",
			s.batch, s.fraction, some.Len(), some.Len())
	}
	b, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	line := cli.NewLine(os.Stderr)
	defer line.Close()

	r := finetuned{
		Method: "finetune", Run: s.run, Step: c.Step, Fraction: s.fraction, Labels: some.Len(), Train: train.Len(), Test: test.Len(),
		Epochs: s.epochs, Batch: s.batch, LearningRate: s.rate, Seed: s.seed,
	}
	score := func(name string, w backends.Weights) (*float64, error) {
		f := s.finetune(line, name, len(train.Classes()), some.Len(), test.Len())
		accuracy, err := f.Score(ctx, b, c.Config, w, some, test)
		return &accuracy, err
	}
	if s.from != "scratch" {
		w, err := c.Weights()
		if err != nil {
			return err
		}
		if r.Trained, err = score("trained", w); err != nil {
			return err
		}
	}
	if s.from != "run" {
		if r.Untrained, err = score("untrained", nil); err != nil {
			return err
		}
	}
	line.Close()
	if s.asJSON {
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	return r.table(os.Stdout)
}

// finetune is the training of one network, which shows on line how far it is.
func (s *finetuneFlags) finetune(line *cli.Line, name string, classes, images, testImages int) simclr.Finetune {
	meter := cli.NewMeter("steps", 0, s.epochs*(images/s.batch))
	return simclr.Finetune{
		Classes: classes, Epochs: s.epochs, Batch: s.batch, LearningRate: s.rate, Seed: s.seed, EvaluateEvery: s.evalEvery,
		Images: simclr.FeatureOptions{MaxPixels: s.maxPixels, Workers: s.workers, Observe: func(done int) {
			line.Show(fmt.Sprintf("%s: %d/%d test images", name, done, testImages))
		}},
		Observe: func(r simclr.Record) {
			if r.Evaluation != nil {
				line.Printf("%s: epoch %5.1f  step %d  test %.1f %%", name, r.Epoch, r.Step, 100*r.Evaluation["test"])
				return
			}
			line.Show(fmt.Sprintf("%s: loss %.2f acc %.0f%% %s", name, *r.Loss, 100**r.Accuracy, meter.Text(r.Step)))
		},
	}
}

func (r finetuned) table(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "finetune, %g %% of the labels (%d of %d images), %d epochs of batches of %d at %g: %d test images\n",
		100*r.Fraction, r.Labels, r.Train, r.Epochs, r.Batch, r.LearningRate, r.Test)
	for _, row := range []struct {
		name     string
		accuracy *float64
	}{{fmt.Sprintf("from the encoder after %d steps", r.Step), r.Trained}, {"from scratch, the same recipe", r.Untrained}} {
		if row.accuracy != nil {
			fmt.Fprintf(&b, "  %-32s %5.1f %%\n", row.name, 100**row.accuracy)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
