package pipeline

import (
	"fmt"
	"image"
	"strings"
)

// A pass does the work of one stage, or of several that a Fuser takes together.
type pass struct {
	steps   []step
	counter *counter
	// with does the work with the parameters of all steps; nil where the only step is no Drawer.
	with func(s *Sample, p []float64) error
	// cropper is the first step, if it is one.
	cropper Cropper
	// decoder is the only step, if it can decode parts and only croppers see what it decodes: those of readers.
	decoder RegionDecoder
	readers []*pass
	// drawn is true of a reader: the decoder before it draws its parameters.
	drawn bool
}

// name is that of its stages, for example "RandomResizedCrop+Flip".
func (p *pass) name() string {
	var names []string
	for i := range p.steps {
		names = append(names, p.steps[i].name)
	}
	return strings.Join(names, "+")
}

// group makes the passes of all chains. Passes of the same name are counted together, as those of two equal views.
func (c *chains) group() {
	counters := map[string]*counter{}
	for _, chain := range c.all() {
		chain.group()
		for i := range chain.passes {
			p := &chain.passes[i]
			name := p.name()
			if counters[name] == nil {
				counters[name] = &counter{name: name}
			}
			p.counter = counters[name]
		}
	}
	c.findReaders()
}

// group makes the passes of one chain.
func (c *chain) group() {
	for rest := c.steps; len(rest) > 0; {
		n, with := fuse(rest)
		p := pass{steps: rest[:n], with: with}
		p.cropper, _ = rest[0].stage.(Cropper)
		c.passes = append(c.passes, p)
		rest = rest[n:]
	}
}

// fuse returns how many of the steps make the first pass, and what does their work if they are Drawers.
func fuse(steps []step) (n int, with func(*Sample, []float64) error) {
	first := steps[0].drawer
	if first == nil {
		return 1, nil
	}
	if f, ok := first.(Fuser); ok {
		// A later step draws before the earlier ones have run, so its image must have a known size.
		var next []Drawer
		for _, s := range steps[1:] {
			if s.drawer == nil || !s.in.Fixed() {
				break
			}
			next = append(next, s.drawer)
		}
		if n, with := f.Fuse(next); n > 0 && n <= len(next) {
			return 1 + n, with
		}
	}
	return 1, first.ApplyWith
}

// findReaders finds the decoders that need not decode more than croppers read.
func (c *chains) findReaders() {
	for _, chain := range c.all() {
		for i := range chain.passes {
			p := &chain.passes[i]
			decoder, ok := p.steps[0].stage.(RegionDecoder)
			if !ok {
				continue
			}
			var readers []*pass
			switch {
			case i+1 < len(chain.passes):
				readers = append(readers, &chain.passes[i+1])
			case chain == &c.base:
				for v := range c.views {
					if view := &c.views[v]; len(view.passes) > 0 {
						readers = append(readers, &view.passes[0])
					}
				}
			}
			croppers := len(readers) > 0 && (i+1 < len(chain.passes) || len(readers) == len(c.views))
			for _, r := range readers {
				croppers = croppers && r.cropper != nil
			}
			if !croppers {
				continue
			}
			p.decoder, p.readers = decoder, readers
			for _, r := range readers {
				r.drawn = true
			}
		}
	}
}

// params returns the parameters of the pass among those of a sample.
func (p *pass) params(all []float64) []float64 { return all[p.steps[0].at:p.steps[len(p.steps)-1].to] }

// draw draws the parameters of the pass for an image of w by h pixels.
func (w *worker) draw(p *pass, width, height, view int) {
	for i := range p.steps {
		s := &p.steps[i]
		if i > 0 || s.in.Fixed() {
			width, height = s.in.W, s.in.H
		}
		w.seek(s, view)
		s.drawer.Draw(w.sample.Rand, width, height, w.params[s.at:s.to])
	}
}

// decode runs a decoder on what the passes behind it will read, whose parameters it draws.
func (w *worker) decode(p *pass, view int) error {
	width, height, err := p.decoder.Size(w.sample)
	if err != nil {
		return err
	}
	var region image.Rectangle
	for i, r := range p.readers {
		v := view
		if len(p.readers) > 1 {
			v = i + 1
		}
		w.draw(r, width, height, v)
		region = region.Union(r.cropper.Part(r.params(w.params)))
	}
	if whole := image.Rect(0, 0, width, height); !region.In(whole) {
		return fmt.Errorf("a stage behind %s would read %v of an image of %v", p.name(), region, whole)
	}
	return p.decoder.ApplyRegion(w.sample, region)
}
