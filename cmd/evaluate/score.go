package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/simclr/probe"
)

const knnHelp = `Evaluate knn classifies each test image by the weighted vote of the training images nearest to it by cosine, each
with weight exp(cosine/temperature), in the features of the trained encoder, of the same encoder untrained, and in pixels, each image centred.

  evaluate knn -run runs/a -train train.tar -test test.tar`

func runKNN(ctx context.Context, args []string) error {
	f := cli.NewFlags("evaluate knn", knnHelp)
	var k probe.KNN
	f.IntVar(&k.K, "k", 200, "neighbours that vote")
	f.Float64Var(&k.Temperature, "temperature", 0.1, "of the vote")
	s := newScoreFlags(f)
	if err := s.parse(args); err != nil {
		return err
	}
	if k.K < 1 || !(k.Temperature > 0) {
		return cli.Usagef("-k %d -temperature %g: both must be positive", k.K, k.Temperature)
	}
	return s.score(ctx, "knn", fmt.Sprintf("kNN, k=%d, temperature %g", k.K, k.Temperature), k.Score)
}

const linearHelp = `Evaluate linear trains a linear softmax classifier on frozen features, by SGD with Nesterov momentum, a cosine
schedule and batches of 256, without augmentation, and reports its accuracy on the test images: in the features of the trained
encoder, of the same encoder untrained, and in pixels, each image centred.

  evaluate linear -run runs/a -train train.tar -test test.tar`

func runLinear(ctx context.Context, args []string) error {
	f := cli.NewFlags("evaluate linear", linearHelp)
	var l probe.Linear
	f.IntVar(&l.Epochs, "epochs", 100, "passes over the features")
	f.Float64Var(&l.LearningRate, "lr", 1, "learning rate at the start")
	f.Uint64Var(&l.Seed, "seed", 1, "of the order of images")
	s := newScoreFlags(f)
	if err := s.parse(args); err != nil {
		return err
	}
	if l.Epochs < 1 || !(l.LearningRate > 0) {
		return cli.Usagef("-epochs %d -lr %g: both must be positive", l.Epochs, l.LearningRate)
	}
	return s.score(ctx, "linear", fmt.Sprintf("linear, SGD, %d epochs", l.Epochs), l.Score)
}

// scoreFlags are those that knn, linear and finetune share.
type scoreFlags struct {
	encoderFlags
	source      cli.Source
	train, test string
	asJSON      bool
}

func newScoreFlags(f *cli.Flags) *scoreFlags {
	s := &scoreFlags{}
	s.define(f)
	f.StringVar(&s.train, "train", "", "labelled images to learn from: `SRC`")
	f.StringVar(&s.test, "test", "", "labelled images to classify: `SRC`")
	s.source.AddTo(f)
	f.BoolVar(&s.asJSON, "json", false, "print one JSON object instead of a table")
	return s
}

func (s *scoreFlags) parse(args []string) error {
	if err := s.encoderFlags.parse(args); err != nil {
		return err
	}
	if s.train == "" || s.test == "" {
		return cli.Usagef("-train and -test are needed: labelled images to learn from and to classify")
	}
	return nil
}

// result is what -json prints. Accuracies are shares, in [0,1].
type result struct {
	Method    string  `json:"method"`
	Run       string  `json:"run"`
	Step      int     `json:"step"`
	Train     int     `json:"train_images"`
	Test      int     `json:"test_images"`
	Trained   float64 `json:"trained"`
	Untrained float64 `json:"untrained"`
	Pixels    float64 `json:"pixels"`
}

type scoreFunc func(ctx context.Context, train, test *probe.Features) (float64, error)

// score compares the trained encoder with what needs no training.
func (s *scoreFlags) score(ctx context.Context, method, title string, score scoreFunc) error {
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
	b, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	line := cli.NewLine(os.Stderr)
	defer line.Close()

	r := result{Method: method, Run: s.run, Step: c.Step, Train: train.Len(), Test: test.Len()}
	measure := func(name string, embed embedFunc) (float64, error) {
		x, err := embed(ctx, train, s.options(line, name+": training images", train.Len()))
		if err != nil {
			return 0, err
		}
		y, err := embed(ctx, test, s.options(line, name+": test images", test.Len()))
		if err != nil {
			return 0, err
		}
		line.Show(name + ": " + title)
		return score(ctx, x, y)
	}
	trained, err := simclr.OpenEncoder(ctx, b, s.run)
	if err != nil {
		return err
	}
	defer trained.Close()
	if r.Trained, err = measure("trained", trained.Features); err != nil {
		return err
	}
	untrained, err := simclr.UntrainedEncoder(ctx, b, c.Config)
	if err != nil {
		return err
	}
	defer untrained.Close()
	if r.Untrained, err = measure("untrained", untrained.Features); err != nil {
		return err
	}
	if r.Pixels, err = measure("pixels", pixels(c.Config.Model.ImageSize)); err != nil {
		return err
	}
	line.Close()
	if s.asJSON {
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	return r.table(os.Stdout, title)
}

// openSets opens the sets of -train and -test, which must have the same classes.
func (s *scoreFlags) openSets(ctx context.Context) (train, test datasets.Dataset, err error) {
	if train, err = s.source.Open(ctx, s.train); err != nil {
		return nil, nil, err
	}
	if test, err = s.source.Open(ctx, s.test); err != nil {
		return nil, nil, errors.Join(err, train.Close())
	}
	if err := datasets.SameClasses(train, test); err != nil {
		return nil, nil, errors.Join(err, train.Close(), test.Close())
	}
	return train, test, nil
}

func (r result) table(w io.Writer, title string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d training and %d test images\n", title, r.Train, r.Test)
	fmt.Fprintf(&b, "  %-32s %5.1f %%\n", fmt.Sprintf("encoder after %d steps", r.Step), 100*r.Trained)
	fmt.Fprintf(&b, "  %-32s %5.1f %%\n", "the same encoder untrained", 100*r.Untrained)
	fmt.Fprintf(&b, "  %-32s %5.1f %%\n", "pixels, each image centred", 100*r.Pixels)
	_, err := io.WriteString(w, b.String())
	return err
}
