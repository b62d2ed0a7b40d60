package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

// settings are the values of the flags.
type settings struct {
	flags *cli.Flags

	data      string
	source    cli.Source
	imageSize int
	augment   string
	strength  float64
	seed      uint64
	maxPixels int
	epoch     int
	n         int
	ids       idList
	run       string
	out       string

	given      map[string]bool    // on the command line
	checkpoint *simclr.Checkpoint // of -run
}

func newSettings() *settings {
	s := &settings{flags: cli.NewFlags("views", help), given: map[string]bool{}}
	f := s.flags
	f.StringVar(&s.data, "data", "synthetic", "the images, `SRC`: a folder, .tar, shard directory, CIFAR archive, one of these as a URL, or synthetic")
	s.source.AddTo(f)
	f.IntVar(&s.imageSize, "image-size", simclr.DefaultModel().ImageSize, "side of a view in pixels")
	f.StringVar(&s.augment, "augment", "torchvision", "how views are made: torchvision, simclr-v1 or simclr-v2")
	f.Float64Var(&s.strength, "strength", 0, "of the colour distortion (default 0.5 up to 64 pixels, 1 above)")
	f.Uint64Var(&s.seed, "seed", 1, "of order and views")
	f.IntVar(&s.maxPixels, "max-pixels", stages.DefaultMaxPixels, "size above which an image is bad")
	f.IntVar(&s.epoch, "epoch", 0, "the epoch, counted from 0")
	f.IntVar(&s.n, "n", 12, "how many images: the first of the epoch that are good")
	f.Var(&s.ids, "id", "show these images instead: their `numbers` in SRC, as in 17,42")
	f.StringVar(&s.run, "run", "", "take the settings from this `directory`, which pretrain -out wrote")
	f.StringVar(&s.out, "out", "views.html", "the `file` to write, .html or .png")
	return s
}

// parse reads the command line and, with -run, what the run has beside it.
func (s *settings) parse(args []string) error {
	if err := s.flags.Parse(args); err != nil {
		return err
	}
	if s.flags.NArg() > 0 {
		return cli.Usagef("unexpected argument %q: the images go after -data, every setting is a flag; see views -h", s.flags.Arg(0))
	}
	s.flags.Visit(func(f *flag.Flag) { s.given[f.Name] = true })
	if s.run != "" {
		if err := s.restore(); err != nil {
			return err
		}
	}
	switch {
	case s.epoch < 0 || s.epoch > math.MaxInt32:
		return cli.Usagef("-epoch %d: epochs count from 0", s.epoch)
	case s.checkpoint != nil && s.epoch >= s.checkpoint.Config.Epochs:
		return cli.Usagef("-epoch %d: %s has %s, counted from 0", s.epoch, s.run, count(s.checkpoint.Config.Epochs, "epoch"))
	case s.n < 1:
		return cli.Usagef("-n %d: it must be at least 1", s.n)
	case len(s.ids) > 0 && s.given["n"]:
		return cli.Usagef("-id names the images, so there is no place for -n")
	}
	if s.strength == 0 {
		s.strength = stages.PaperStrength(s.imageSize)
	}
	return s.checkOut()
}

// checkOut finds what would fail after all the work.
func (s *settings) checkOut() error {
	if _, ok := writers[extension(s.out)]; !ok {
		return cli.Usagef("-out %s: the name must end in .html, for a page, or .png, for a picture", s.out)
	}
	if dir, err := os.Stat(filepath.Dir(s.out)); err != nil || !dir.IsDir() {
		return cli.Usagef("-out %s: there is no folder %s", s.out, filepath.Dir(s.out))
	}
	if info, err := os.Stat(s.out); err == nil && !info.Mode().IsRegular() {
		return cli.Usagef("-out %s: that is no file; name one to write", s.out)
	}
	return nil
}

// restore sets the flags that are not on the command line to those of the run.
func (s *settings) restore() error {
	var err error
	if s.checkpoint, err = simclr.ReadCheckpoint(s.run); err != nil {
		return err
	}
	if err := s.flags.SetOthers(s.checkpoint.Settings); err != nil {
		return fmt.Errorf("%s: %w", s.run, err)
	}
	return nil
}

// explain adds the next step to an error of opening the data.
func (s *settings) explain(err error) error {
	if s.run != "" && !s.given["data"] {
		return fmt.Errorf("the images of %s: %w; say with -data where they are now", s.run, err)
	}
	return err
}

// pipeline makes the views. Its batches hold one image each: a view is the same in a batch of any size.
func (s *settings) pipeline(data pipeline.Source, onBad func(*pipeline.SampleError)) (*pipeline.Pipeline, error) {
	views, err := stages.Preset(s.augment, s.imageSize, s.strength)
	if err != nil {
		return nil, cli.Usagef("-augment %s -strength %g: %v", s.augment, s.strength, err)
	}
	o := pipeline.Options{Batch: 1, Epochs: s.epoch + 1, Seed: s.seed, Params: true, MaxBad: 1, OnBad: onBad}
	if s.checkpoint != nil {
		o.Window = s.checkpoint.Plan.Window // which images are the first of the epoch
	}
	p, err := pipeline.New(data, o, s.decode(), pipeline.Pair(views...))
	if err != nil {
		return nil, cli.Usagef("%v", err)
	}
	return p, nil
}

func (s *settings) decode() stages.Decode { return stages.Decode{MaxPixels: s.maxPixels} }

// command is the command line that writes the same file again, whatever the defaults will be.
func (s *settings) command() string {
	words := []string{"views"}
	add := func(name string) { words = append(words, "-"+name, quote(s.flags.Lookup(name).Value.String())) }
	if s.run != "" {
		add("run")
	}
	for _, name := range []string{"data", "image-size", "augment", "strength", "seed", "max-pixels"} {
		if s.given[name] || s.run == "" && name != "max-pixels" {
			add(name)
		}
	}
	add("epoch")
	if len(s.ids) > 0 {
		add("id")
	} else {
		add("n")
	}
	add("out")
	return strings.Join(words, " ")
}

var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// quote writes a word for a POSIX shell.
func quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// idList is a flag that holds numbers between commas.
type idList []uint64

// String implements flag.Value.
func (l *idList) String() string {
	words := make([]string, len(*l))
	for i, id := range *l {
		words[i] = strconv.FormatUint(id, 10)
	}
	return strings.Join(words, ",")
}

// Set implements flag.Value.
func (l *idList) Set(value string) error {
	*l = nil
	for word := range strings.SplitSeq(value, ",") {
		id, err := strconv.ParseUint(strings.TrimSpace(word), 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no number of an image; write for example 17,42", word)
		}
		if !slices.Contains(*l, id) {
			*l = append(*l, id)
		}
	}
	return nil
}

// count writes a number of things: "1 image", "12 images".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
