package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
)

// progress tells the user how the run goes.
type progress struct {
	line     *cli.Line
	settings *settings
	bad      *badImages
	config   simclr.Config
	end      int       // the last step of this run
	steps    int       // that this process has taken
	began    time.Time // of the first step of this process
	first    int       // that step
	images   float64   // a second, averaged over the last steps
	wait     float64
}

func newProgress(line *cli.Line, p *pipeline.Pipeline, c simclr.Config, s *settings, bad *badImages) *progress {
	steps := c.Epochs * p.Steps()
	if s.maxSteps > 0 {
		steps = min(steps, s.maxSteps)
	}
	return &progress{line: line, settings: s, bad: bad, config: c, end: steps, first: -1}
}

func (p *progress) begin(info backends.Info, data datasets.Dataset) {
	m := p.config.Model
	p.line.Printf("%s, width %g, at %d px on %d images of %s", m.Encoder, m.Width, m.ImageSize, data.Len(), p.settings.data)
	p.line.Printf("%s; %d steps of %d images into %s", describe(info), p.end, p.settings.batch, p.settings.out)
	if before := p.settings.resumedBackend; before != (backends.Info{}) && before != info {
		p.line.Printf("until now the run was computed by %s: from here on weights may differ in the last bits from those of a run that never moved",
			describe(before))
	}
}

// describe says what computes.
func describe(i backends.Info) string {
	text := fmt.Sprintf("%s on %s with %d threads", i.Library, i.Device, i.Threads)
	if i.Precision != "" {
		text += " in " + i.Precision
	}
	if i.AnyOrder {
		text += ", sums in any order: it does not repeat to the bit"
	}
	return text
}

// smoothing is the weight of the newest step in what is shown of speed.
const smoothing = 0.1

func (p *progress) show(r simclr.Record) {
	if r.Evaluation != nil {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(r.Evaluation)) {
			parts = append(parts, fmt.Sprintf("%s %.1f %%", name, 100*r.Evaluation[name]))
		}
		p.line.Printf("epoch %5.1f  step %d  %s", r.Epoch, r.Step, strings.Join(parts, "  "))
		return
	}
	p.steps++
	now := time.Now()
	if p.first < 0 {
		p.first, p.began = r.Step-1, now.Add(-time.Duration(float64(p.settings.batch)/r.Images*float64(time.Second)))
		p.images, p.wait = r.Images, *r.Wait
	}
	p.images += smoothing * (r.Images - p.images)
	p.wait += smoothing * (*r.Wait - p.wait)
	left := time.Duration(math.Round(now.Sub(p.began).Seconds()/float64(r.Step-p.first)*float64(p.end-r.Step))) * time.Second
	// As long as it can be: a terminal of 80 columns has to hold it.
	rate := fmt.Sprintf("lr %.2g ", *r.LearningRate)
	bad := ""
	if n := p.bad.count(); n > 0 {
		rate, bad = "", fmt.Sprintf(" %d bad", n)
	}
	p.line.Show(fmt.Sprintf("step %d/%d loss %.2f acc %.0f%% %s%s img/s wait %.0f%% %s left%s",
		r.Step, p.end, *r.Loss, 100**r.Accuracy, rate, cli.FormatRate(p.images), 100*p.wait, cli.FormatDuration(left), bad))
}
