// Score measures the encoders of many checkpoints as evaluate knn and evaluate linear do, and prints a JSON object for each, in order:
//
//	go run ./benchmarks/score -train cifar10-train.tar -test cifar10-test.tar RUN/checkpoints/step-*
//
// Other than evaluate it makes the features once for both, scores neither the untrained encoder nor pixels, and can go by some of the
// images. Who wrote the checkpoint does not matter: a weights.safetensors with its run.json is one. Features are made by -backend on
// -device in -precision; without cgo the backend is gorgonia.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/goclr/goclr/backends"
	_ "github.com/goclr/goclr/backends/gorgonia"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/simclr/probe"
)

func main() {
	log.SetFlags(0)
	var s sets
	train := flag.String("train", "", "labelled images to learn from: `SRC`")
	test := flag.String("test", "", "labelled images to classify: `SRC`")
	limit := flag.Int("limit", 0, "use at most so many images of either (default all)")
	flag.BoolVar(&s.linear, "linear", true, "score by a linear classifier too, which takes longest")
	backend := flag.String("backend", defaultBackend, "what makes features: "+strings.Join(backends.Names(), ", "))
	var o backends.Options
	flag.StringVar(&o.Device, "device", "cpu", "where: cpu, or cuda:N")
	flag.StringVar(&o.Precision, "precision", "", "of the backend, as in pretrain (default fp32)")
	flag.Parse()
	err := s.open(*train, *test, *limit)
	if err == nil {
		err = errors.Join(s.scoreAll(*backend, o, flag.Args()), s.train.Close(), s.test.Close())
	}
	if err != nil {
		log.Fatalf("score: %v", err)
	}
}

// A result is what is printed. Accuracies are shares, in [0,1].
type result struct {
	Checkpoint string   `json:"checkpoint"`
	Step       int      `json:"step"`
	Train      int      `json:"train_images"`
	Test       int      `json:"test_images"`
	KNN        float64  `json:"knn"`
	Linear     *float64 `json:"linear,omitempty"`
}

// sets are the labelled images, and what to do with them.
type sets struct {
	train, test *datasets.Subset
	linear      bool
}

func (s *sets) open(train, test string, limit int) error {
	if train == "" || test == "" {
		return errors.New("-train and -test are needed: labelled images to learn from and to classify")
	}
	var open [2]*datasets.Subset
	for i, spec := range []string{train, test} {
		d, err := datasets.Open(context.Background(), spec, datasets.Options{})
		if err != nil {
			return err
		}
		open[i] = datasets.Spread(d, cmp.Or(limit, d.Len()))
	}
	s.train, s.test = open[0], open[1]
	return datasets.SameClasses(s.train, s.test)
}

// scoreAll scores the checkpoints in order of their steps.
func (s *sets) scoreAll(backend string, o backends.Options, dirs []string) error {
	if len(dirs) == 0 {
		return errors.New("name checkpoints, as in RUN/checkpoints/step-*")
	}
	steps := map[string]int{}
	for _, dir := range dirs {
		c, err := simclr.ReadCheckpoint(dir)
		if err != nil {
			return err
		}
		steps[dir] = c.Step
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return cmp.Compare(steps[a], steps[b]) })
	b, err := backends.Open(context.Background(), backend, o)
	if err != nil {
		return err
	}
	defer b.Close()
	for _, dir := range dirs {
		r := result{Checkpoint: dir, Step: steps[dir], Train: s.train.Len(), Test: s.test.Len()}
		if err := s.score(b, &r); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// score fills in the accuracies.
func (s *sets) score(b backends.Backend, r *result) error {
	ctx := context.Background()
	e, err := simclr.OpenEncoder(ctx, b, r.Checkpoint)
	if err != nil {
		return err
	}
	defer e.Close()
	features := make([]*probe.Features, 0, 2)
	for _, src := range []pipeline.Source{s.train, s.test} {
		f, err := e.Features(ctx, src, simclr.FeatureOptions{})
		if err != nil {
			return err
		}
		features = append(features, f)
	}
	if r.KNN, err = (probe.KNN{}).Score(ctx, features[0], features[1]); err != nil {
		return err
	}
	if s.linear {
		linear, err := probe.Linear{Seed: 1}.Score(ctx, features[0], features[1]) // the seed of evaluate linear
		if err != nil {
			return err
		}
		r.Linear = &linear
	}
	return nil
}
