// Pretrain trains an image encoder without labels, by SimCLR.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/goclr/goclr/backends/gorgonia"
	_ "github.com/goclr/goclr/backends/reference"
	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

const help = `Pretrain trains an image encoder without labels, by SimCLR.

  pretrain [flags]              train in a new directory
  pretrain -resume -out RUN     go on with a run that was stopped or killed; all settings are those of the run

Examples:

  pretrain                                              a small encoder on generated images
  pretrain -data photos/ -image-size 128 -out runs/a    your own images, in folders or a .tar
  pretrain -data train.tar -eval-every 5 -eval-test test.tar -width 0.5 -epochs 50
  pretrain -data photos/ -image-size 224 -encoder resnet50 -width 1 -init resnet50.safetensors -normalize imagenet

-init takes the encoder of another run or of a safetensors file with torchvision's names, and the head if it fits. Encoder, width
and stem must be those of the file: for torchvision's own networks -width 1, an -image-size above 64, and -normalize imagenet.

RUN/weights.safetensors is the encoder and head with torchvision's names, RUN/metrics.jsonl what was measured,
RUN/quarantine.arrow the images that could not be used, each with the reason: see ingest look RUN.
SIGINT and SIGTERM save a checkpoint before they end the run.`

func main() { cli.Main("pretrain", run) }

func run(ctx context.Context, args []string) error {
	s := newSettings()
	if err := s.parse(args); err != nil {
		return err
	}
	config, err := s.config()
	if err != nil {
		return err
	}
	first, err := s.pretrained(&config)
	if err != nil {
		return err
	}
	data, err := s.source.Open(ctx, s.data)
	if err != nil {
		return err
	}
	defer data.Close()
	line := cli.NewLine(os.Stderr)
	defer line.Close()
	s.warnOfCache(line, data)
	bad, err := openBadImages(ctx, s, data, line)
	if err != nil {
		return err
	}
	defer bad.close()
	p, err := s.pipeline(data, bad.add)
	if err != nil {
		return err
	}
	evaluation, err := s.openEvaluation(ctx, data)
	if err != nil {
		return err
	}
	defer evaluation.close()
	b, err := s.backend.Open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()

	progress := newProgress(line, p, config, s, bad)
	r := simclr.Run{
		Dir: s.out, Config: config, Init: first.Weights, Resume: s.resume, MaxSteps: s.maxSteps,
		CheckpointEvery: s.checkpointEvery, BeforeCheckpoint: bad.flush, Keep: s.keep,
		EvaluateEvery: s.evalEvery * p.Steps(), Evaluate: evaluation.score,
		Observe: progress.show, Settings: s.record(),
	}
	progress.begin(b.Info(), data)
	if first.SHA256 != "" {
		line.Printf("%s", s.taken(first))
	}
	err = r.Train(ctx, b, p)
	if failed := bad.close(); err == nil {
		err = failed
	}
	line.Close()
	if err != nil {
		return s.explain(err)
	}
	if progress.steps == 0 {
		fmt.Fprintf(os.Stderr, "The run has had all its %d steps already.\n", progress.end)
	} else {
		fmt.Fprintln(os.Stderr, p.Stats())
	}
	if profile := s.backend.Options.Profile; profile != "" {
		fmt.Fprintf(os.Stderr, "What took the time of a step is in %s.txt, each operator in %s\n", profile, profile)
	}
	if n := bad.count(); n > 0 {
		fmt.Fprintf(os.Stderr, "%d bad images are in %s; to see why: ingest look %s\n", n, filepath.Join(s.out, datasets.QuarantineName), s.out)
	}
	fmt.Fprintf(os.Stderr, "The encoder is in %s\n", filepath.Join(s.out, "weights.safetensors"))
	return nil
}

// warnOfCache says so where a cache is too small for the order in which images are read.
func (s *settings) warnOfCache(line *cli.Line, data datasets.Dataset) {
	c, ok := data.(datasets.Cacher)
	if !ok || s.window > 0 {
		return
	}
	if need, limit := c.Cache(); need > limit {
		line.Printf("warning: the shards of %s have %.1f GiB, and -cache-limit keeps %.1f: most are fetched again and again; raise it, or name a -window of images that are shuffled among each other",
			s.data, float64(need)/(1<<30), float64(limit)/(1<<30))
	}
}

// explain adds the next step to an error of the training.
func (s *settings) explain(err error) error {
	var bad *pipeline.TooManyBadError
	switch {
	case errors.Is(err, simclr.ErrStopped):
		return &cli.InterruptedError{Msg: fmt.Sprintf("%v; go on with: pretrain -resume -out %s", err, s.out)}
	case errors.As(err, &bad):
		return fmt.Errorf("%d of %d images are bad, more than -max-bad allows; the last: %w; see all with: ingest look %s; run ingest, which sets bad ones aside, or raise -max-bad; the run is saved, go on with: pretrain -resume -out %s",
			bad.Bad, bad.Read, bad.Last, s.out, s.out)
	}
	return err
}

// pipeline makes pairs of views of the images.
func (s *settings) pipeline(data pipeline.Source, onBad func(*pipeline.SampleError)) (*pipeline.Pipeline, error) {
	maxBad := s.maxBad
	if maxBad == 0 {
		maxBad = -1 // the pipeline's word for none
	}
	if n := data.Len(); s.batch > n {
		return nil, cli.Usagef("-batch %d: %s has %d images; use a batch of at most %d", s.batch, s.data, n, n)
	}
	view, err := stages.Preset(s.augment, s.imageSize, s.strength)
	if err != nil {
		return nil, cli.Usagef("-augment %s -strength %g: %v", s.augment, s.strength, err)
	}
	p, err := pipeline.New(data, pipeline.Options{
		Batch: s.batch, Epochs: s.epochs, Seed: s.seed, Window: s.window, Workers: s.workers, Prefetch: s.prefetch,
		Tune:   s.tune && s.workers == 0 && s.prefetch == 0,
		MaxBad: maxBad, OnBad: onBad,
	},
		stages.Decode{MaxPixels: s.maxPixels},
		pipeline.Pair(view...))
	if err != nil {
		return nil, cli.Usagef("%v", err)
	}
	return p, nil
}
