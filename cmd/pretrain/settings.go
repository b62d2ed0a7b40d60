package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

// settings are the values of the flags.
type settings struct {
	flags *cli.Flags

	data, out               string
	source                  cli.Source
	backend                 cli.Backend
	model                   simclr.Model
	zeroInit                bool
	normalize               string
	optimizer               simclr.Optimizer
	imageSize               int
	augment                 string
	strength                float64
	batch, epochs, maxSteps int
	window                  int
	chunk                   int
	seed                    uint64
	init                    string
	resumedInit             string        // Config.InitSHA256 of the run to resume
	resumedBackend          backends.Info // what computed the run so far; zero for a new one
	workers, prefetch       int
	tune                    bool
	resume                  bool
	checkpointEvery, keep   int
	evalEvery               int
	evalTrain, evalTest     string
	evalLimit               int
	maxBad                  float64
	maxPixels               int
}

func newSettings() *settings {
	s := &settings{flags: cli.NewFlags("pretrain", help), model: simclr.DefaultModel()}
	f, m, o := s.flags, &s.model, &s.optimizer
	f.StringVar(&s.data, "data", "synthetic", "the images, `SRC`: a folder, .tar, shard directory, CIFAR archive, one of these as a URL, or synthetic")
	s.source.AddTo(f)
	f.StringVar(&s.out, "out", "", "the `directory` of the run (default runs/ and the time)")
	f.BoolVar(&s.resume, "resume", false, "go on from the latest checkpoint in -out")

	s.backend.AddTo(f)
	f.StringVar(&s.backend.Options.Profile, "profile-ops", "", "write when each operator of a step ran to this `file`, and their sums to file.txt")

	f.StringVar(&m.Encoder, "encoder", m.Encoder, strings.Join(simclr.Encoders(), ", "))
	f.Float64Var(&m.Width, "width", 0.25, "factor on the number of channels: 0.25, 0.5, 1, 2 or 4")
	f.IntVar(&s.imageSize, "image-size", m.ImageSize, "side of a view in pixels; up to 64 selects the stem for small images")
	f.BoolVar(&s.zeroInit, "zero-init", true, "start the last gamma of each block at 0, so that the block is at first its shortcut")
	f.StringVar(&m.Head, "head", m.Head, "projection head: "+strings.Join(simclr.Heads, ", "))
	f.IntVar(&m.HeadLayers, "head-layers", m.HeadLayers, "dense layers of a nonlinear head: 1 to 3; 1 is the linear head")
	f.IntVar(&m.Projection, "projection", m.Projection, "length of the vectors that the loss compares")
	f.StringVar(&m.Loss, "loss", m.Loss, strings.Join(simclr.Losses, ", "))
	f.BoolVar(&m.SemiHard, "semi-hard", false, "with nt-logistic and triplet, compare a view with its nearest farther negative only")
	f.Float64Var(&m.Margin, "margin", 0, "of the triplet loss, a difference of cosines (default 0.8 with triplet)")
	f.Float64Var(&m.Temperature, "temperature", m.Temperature, "of the losses nt-xent and nt-logistic")
	f.StringVar(&s.normalize, "normalize", "none", "colours: none, imagenet, cifar10, or mean and std as r,g,b,r,g,b in [0,1]")
	f.StringVar(&s.augment, "augment", "torchvision", "the `preset` that makes views: torchvision, simclr-v1 or simclr-v2")
	f.Float64Var(&s.strength, "strength", 0, "of the colour distortion (default 0.5 up to 64 pixels, 1 above)")

	f.StringVar(&o.Name, "optimizer", "sgd", strings.Join(simclr.Optimizers, ", "))
	f.Float64Var(&o.LearningRate, "lr", 0, "learning rate after warm-up (default 0.2*batch/128 with sgd, 0.3*batch/256 with lars, 1e-3*batch/512 with adam)")
	f.Float64Var(&o.Momentum, "momentum", 0.9, "of the optimizer; beta1 of adam")
	f.BoolVar(&o.Nesterov, "nesterov", false, "with sgd, look ahead along the momentum")
	f.Float64Var(&o.WeightDecay, "weight-decay", 0, "pull of weights to zero (default 1e-4 with sgd, 1e-6 with lars and adam)")
	f.Float64Var(&o.WarmupEpochs, "warmup", 0, "epochs in which the rate rises from 0 (default a tenth of -epochs, at most 10)")

	f.IntVar(&s.batch, "batch", 128, "images in a batch, of two views each")
	f.IntVar(&s.chunk, "chunk", 0, "images of a batch that the network takes at once, where memory holds no more: the loss, nt-xent, still compares all, batch norm sees a chunk (default all)")
	f.IntVar(&s.epochs, "epochs", 10, "length of the schedule")
	f.IntVar(&s.maxSteps, "max-steps", 0, "end after that many steps of the schedule (default at its end)")
	f.Uint64Var(&s.seed, "seed", 1, "of weights, order and views")
	f.IntVar(&s.window, "window", 0, "shuffle so many images among each other, of 16 places at a time, where SRC is far away or on a disk that seeks, and itself shuffled (default all)")
	f.StringVar(&s.init, "init", "", "begin with the weights of this safetensors `file` or run (default random ones)")
	f.IntVar(&s.workers, "workers", 0, "goroutines that make views (default the number of CPUs)")
	f.IntVar(&s.prefetch, "prefetch", 0, "batches made ahead (default 2, or 1 with -chunk)")
	f.BoolVar(&s.tune, "tune", true, "raise the defaults of -workers and -prefetch where that helps; no byte depends on them")

	f.IntVar(&s.checkpointEvery, "checkpoint-every", 0, "steps between checkpoints (default an epoch)")
	f.IntVar(&s.keep, "keep", 2, "checkpoints to keep")
	f.IntVar(&s.evalEvery, "eval-every", 0, "epochs between kNN evaluations of the encoder (default none)")
	f.StringVar(&s.evalTrain, "eval-train", "", "labelled images that vote: `SRC` (default -data)")
	f.StringVar(&s.evalTest, "eval-test", "", "labelled images to classify: `SRC` (default the test split of -data, where it is synthetic)")
	f.IntVar(&s.evalLimit, "eval-limit", 10000, "use at most so many images of either")

	f.Float64Var(&s.maxBad, "max-bad", 0.01, "share of images that may be bad before the run fails")
	f.IntVar(&s.maxPixels, "max-pixels", stages.DefaultMaxPixels, "size above which an image is bad")
	return s
}

// parse reads the command line; with -resume, what it leaves out is as the run was started.
func (s *settings) parse(args []string) error {
	if err := s.flags.Parse(args); err != nil {
		return err
	}
	if s.flags.NArg() > 0 {
		return cli.Usagef("unexpected argument %q: every setting is a flag, see pretrain -h", s.flags.Arg(0))
	}
	if s.resume {
		if s.out == "" {
			return cli.Usagef("-resume needs -out: the directory of the run")
		}
		if err := s.restore(); err != nil {
			return err
		}
	}
	if s.out == "" {
		s.out = filepath.Join("runs", time.Now().Format("20060102-150405"))
	}
	for _, f := range []struct {
		name         string
		value, least int
	}{
		{"epochs", s.epochs, 1}, {"keep", s.keep, 1}, {"eval-limit", s.evalLimit, 1}, {"max-pixels", s.maxPixels, 1},
		{"max-steps", s.maxSteps, 0}, {"workers", s.workers, 0}, {"prefetch", s.prefetch, 0}, {"window", s.window, 0}, {"threads", s.backend.Options.Threads, 0},
		{"checkpoint-every", s.checkpointEvery, 0}, {"eval-every", s.evalEvery, 0},
	} {
		if f.value < f.least {
			return cli.Usagef("-%s %d: it must be at least %d", f.name, f.value, f.least)
		}
	}
	if s.batch < 2 {
		return cli.Usagef("-batch %d: the loss compares images, so a batch needs at least 2", s.batch)
	}
	if s.chunk != 0 && (s.chunk < 2 || s.batch%s.chunk != 0) {
		return cli.Usagef("-chunk %d: it must divide -batch %d and be at least 2; leave it out to compute a batch at once", s.chunk, s.batch)
	}
	if s.maxBad < 0 || s.maxBad > 1 {
		return cli.Usagef("-max-bad %g: it is a share, from 0 to 1", s.maxBad)
	}
	s.complete()
	return nil
}

// complete fills in the defaults that depend on other flags.
func (s *settings) complete() {
	o := &s.optimizer
	rate, ofBatch, decay := 0.2, 128.0, 1e-4
	switch o.Name {
	case "lars":
		rate, ofBatch, decay = 0.3, 256, 1e-6
	case "adam":
		rate, ofBatch, decay = 1e-3, 512, 1e-6
	}
	if !s.flags.Given("lr") && o.LearningRate == 0 {
		o.LearningRate = rate * float64(s.batch) / ofBatch
	}
	if !s.flags.Given("weight-decay") && o.WeightDecay == 0 {
		o.WeightDecay = decay
	}
	if !s.flags.Given("margin") && s.model.Loss == "triplet" && s.model.Margin == 0 {
		s.model.Margin = 0.8
	}
	if !s.flags.Given("warmup") && o.WarmupEpochs == 0 {
		o.WarmupEpochs = min(10, float64(s.epochs)/10)
	}
	if s.chunk > 0 && s.prefetch == 0 {
		s.prefetch = 1 // such batches are large, and take long enough to make one meanwhile
	}
	if s.strength == 0 {
		s.strength = stages.PaperStrength(s.imageSize)
	}
}

// record returns the flags that a resumed run takes over.
func (s *settings) record() map[string]string {
	values := s.flags.Settings()
	delete(values, "resume")
	delete(values, "out")
	delete(values, "profile-ops")
	return values
}

// restore sets the flags that are not on the command line to those of the run to resume.
func (s *settings) restore() error {
	c, err := simclr.ReadCheckpoint(s.out)
	if errors.Is(err, simclr.ErrNoCheckpoint) && s.flags.Given("data") {
		return nil // there is nothing to take over, and the command line says what to do
	}
	if err != nil {
		return err
	}
	if !s.flags.Given("init") {
		s.resumedInit = c.Config.InitSHA256
	}
	s.resumedBackend = c.Backend
	recorded := maps.Clone(c.Settings)
	if s.flags.Given("backend") && s.backend.Name != recorded["backend"] {
		for _, name := range cli.BackendOwn {
			delete(recorded, name)
		}
	}
	if err := s.flags.SetOthers(recorded); err != nil {
		return fmt.Errorf("%s: %w", s.out, err)
	}
	return nil
}

func (s *settings) config() (simclr.Config, error) {
	s.model.ImageSize = s.imageSize
	s.model.OnesInit = !s.zeroInit
	mean, std, err := normalization(s.normalize)
	if err != nil {
		return simclr.Config{}, err
	}
	s.model.Mean, s.model.Std = mean, std
	c := simclr.Config{Model: s.model, Optimizer: s.optimizer, Epochs: s.epochs, Seed: s.seed, Chunk: s.chunk}
	if err := c.Validate(); err != nil {
		return c, cli.Usagef("%v", err)
	}
	return c, nil
}

// normalization reads the value of -normalize.
func normalization(value string) (mean, std [3]float64, err error) {
	switch value {
	case "none":
		return mean, [3]float64{1, 1, 1}, nil
	case "imagenet":
		return [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225}, nil
	case "cifar10":
		return [3]float64{0.4914, 0.4822, 0.4465}, [3]float64{0.2470, 0.2435, 0.2616}, nil
	}
	var v [6]float64
	var rest string
	n, _ := fmt.Sscanf(value+" ", "%g,%g,%g,%g,%g,%g%s", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &rest)
	if n != len(v) {
		return mean, std, cli.Usagef("-normalize %q: use none, imagenet, cifar10, or six numbers: mean r,g,b and std r,g,b", value)
	}
	return [3]float64(v[:3]), [3]float64(v[3:]), nil
}
