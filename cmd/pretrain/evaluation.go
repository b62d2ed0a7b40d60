package main

import (
	"context"
	"errors"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/simclr/probe"
)

// evaluation is the kNN accuracy measured while training. Its sets are the same each time.
type evaluation struct {
	options     simclr.FeatureOptions
	train, test *datasets.Subset
	open        []datasets.Dataset // those to close
}

// openEvaluation opens the sets of -eval-train and -eval-test. data is that of -data.
func (s *settings) openEvaluation(ctx context.Context, data datasets.Dataset) (*evaluation, error) {
	e := &evaluation{options: simclr.FeatureOptions{MaxPixels: s.maxPixels, Workers: s.workers, SkipBad: true}}
	if s.evalEvery == 0 {
		return e, nil
	}
	if s.evalTest == "" {
		var ok bool
		if s.evalTest, ok = datasets.SyntheticTest(s.data); !ok {
			return nil, cli.Usagef("-eval-every needs -eval-test: labelled images that are not in -data")
		}
	}
	train := data
	if s.evalTrain != "" {
		var err error
		if train, err = s.source.Open(ctx, s.evalTrain); err != nil {
			return nil, err
		}
		e.open = append(e.open, train)
	}
	test, err := s.source.Open(ctx, s.evalTest)
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	e.open = append(e.open, test)
	if err := datasets.SameClasses(train, test); err != nil {
		return nil, errors.Join(err, e.close())
	}
	e.train, e.test = datasets.Spread(train, s.evalLimit), datasets.Spread(test, s.evalLimit)
	return e, nil
}

func (e *evaluation) score(ctx context.Context, encoder *simclr.Encoder) (map[string]float64, error) {
	train, err := encoder.Features(ctx, e.train, e.options)
	if err != nil {
		return nil, err
	}
	test, err := encoder.Features(ctx, e.test, e.options)
	if err != nil {
		return nil, err
	}
	knn, err := probe.KNN{}.Score(ctx, train, test)
	return map[string]float64{"kNN": knn}, err
}

func (e *evaluation) close() error {
	var errs []error
	for _, d := range e.open {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}
