package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
)

// A sheet is all that is shown.
type sheet struct {
	Title   string
	Facts   string // what decides the views, in one line
	Run     string // what they have to do with the run; empty without -run
	Warning string // why they are not those of the run
	Command string
	Size    int // side of a view
	Cards   []card
}

// A card is one image and its views.
type card struct {
	ID         uint64
	Class, Key string // empty where there is none
	W, H       int    // of the image
	Original   *image.RGBA
	Reduced    bool   // Original has fewer pixels than the image
	Lines      []line // what was drawn before the views part
	Views      []view
}

// A view is what training gets.
type view struct {
	Number int
	Pixels *image.RGBA
	Crop   image.Rectangle // the part of the image that it shows; empty where that is not known
	Lines  []line
}

// legend explains the words below the views.
const legend = "Parts are width × height at (x, y) of the original, in pixels. The steps of a jitter act from top to bottom."

// Dimensions are the width and height of the image.
func (c card) Dimensions() string { return fmt.Sprintf("%d × %d", c.W, c.H) }

// look makes the views of the images that the settings ask for. Of each bad image that it leaves out it tells onBad.
func look(ctx context.Context, s *settings, data datasets.Dataset, onBad func(*pipeline.SampleError)) (*sheet, error) {
	for _, id := range s.ids {
		if n := data.Len(); id >= uint64(n) {
			return nil, cli.Usagef("-id %d: there is no such image: %s has %s, counted from 0", id, s.data, count(n, "image"))
		}
	}
	known := map[uint64]bool{}
	p, err := s.pipeline(data, func(e *pipeline.SampleError) {
		if !known[e.ID] { // a substitute that is bad comes again as an image of its own
			known[e.ID] = true
			onBad(e)
		}
	})
	if err != nil {
		return nil, err
	}
	sh := newSheet(s, p, data.Len())
	l := &looker{ctx: ctx, settings: s, data: data, sheet: sh, plan: p.Plan(), sample: pipeline.NewSample(ctx, pipeline.Key{})}
	if len(s.ids) > 0 {
		return sh, l.replay(p)
	}
	return sh, l.first(p)
}

func newSheet(s *settings, p *pipeline.Pipeline, images int) *sheet {
	sh := &sheet{
		Title: fmt.Sprintf("Views of %s, epoch %d", s.data, s.epoch),
		Facts: fmt.Sprintf("%s · seed %d · %s at %d px, strength %s", count(images, "image"), s.seed, s.augment, s.imageSize,
			number(s.strength)),
		Command: s.command(),
		Size:    s.imageSize,
	}
	if s.checkpoint == nil {
		return sh
	}
	plan, was := p.Plan(), s.checkpoint.Plan
	plan.Batch, plan.World = was.Batch, was.World // no view depends on them
	if plan.Hash() == s.checkpoint.PlanHash {
		sh.Run = fmt.Sprintf("These are the views of %s: the plans have the same hash, %.12s.", s.run, plan.Hash())
	} else {
		sh.Warning = fmt.Sprintf("These are not the views of %s: %s.", s.run, plan.Diff(was))
	}
	return sh
}

// looker fills a sheet.
type looker struct {
	ctx      context.Context
	settings *settings
	data     datasets.Dataset
	sheet    *sheet
	plan     pipeline.Plan
	sample   *pipeline.Sample // the original in work
}

// replay shows the images that the command line names.
func (l *looker) replay(p *pipeline.Pipeline) error {
	rec, err := p.Replay(l.ctx, uint64(l.settings.epoch), l.settings.ids...)
	if err != nil {
		return err
	}
	defer rec.Release()
	for row := range l.settings.ids {
		if err := l.add(rec, row); err != nil {
			return err
		}
	}
	return nil
}

// first shows the first good images of the epoch.
func (l *looker) first(p *pipeline.Pipeline) error {
	shown := map[uint64]bool{} // the substitute of a bad image has a row of its own, too
	for rec, err := range p.Batches(l.ctx, l.settings.epoch*p.Steps()) {
		if err != nil {
			var bad *pipeline.SampleError
			if errors.As(err, &bad) && l.ctx.Err() == nil {
				return fmt.Errorf("no good image is left to show: %w", bad)
			}
			return err
		}
		ids, err := pipeline.IDs(rec)
		if err != nil {
			return err
		}
		if shown[ids[0]] {
			continue
		}
		shown[ids[0]] = true
		if err := l.add(rec, 0); err != nil {
			return err
		}
		if len(l.sheet.Cards) == l.settings.n {
			break
		}
	}
	return nil
}

// add shows a row of a record.
func (l *looker) add(rec arrow.Record, row int) error {
	ids, err := pipeline.IDs(rec)
	if err != nil {
		return err
	}
	labels, err := pipeline.Labels(rec)
	if err != nil {
		return err
	}
	pix, shape, err := pipeline.Views(rec)
	if err != nil {
		return err
	}
	drawn, err := pipeline.Params(rec, row)
	if err != nil {
		return err
	}
	c, err := l.original(ids[row])
	if err != nil {
		return err
	}
	if classes, label := l.data.Classes(), int(labels[row]); label >= 0 && label < len(classes) {
		c.Class = classes[label]
	}
	c.Lines = describe(drawn, 0, l.plan)
	views, h, w := shape[0], shape[1], shape[2]
	for v := range views {
		number := v + 1
		c.Views = append(c.Views, view{
			Number: number,
			Pixels: rgba(pix[(row*views+v)*h*w*3:][:h*w*3], w, h),
			Crop:   crop(drawn, number),
			Lines:  describe(drawn, number, l.plan),
		})
	}
	l.sheet.Cards = append(l.sheet.Cards, c)
	return nil
}

// original reads an image again, to be shown beside its views.
func (l *looker) original(id uint64) (card, error) {
	s := l.sample
	if err := l.data.Read(l.ctx, int(id), s); err != nil {
		return card{}, fmt.Errorf("image %d: %w", id, err)
	}
	key := strings.ToValidUTF8(s.Key, "\uFFFD")
	if err := l.settings.decode().Apply(s); err != nil {
		return card{}, fmt.Errorf("image %d (%s): %w", id, key, err)
	}
	m := s.Image
	small := reduce(rgba(m.Pix, m.W, m.H))
	return card{ID: id, Key: key, W: m.W, H: m.H, Original: small, Reduced: small.Rect.Size() != image.Pt(m.W, m.H)}, nil
}
