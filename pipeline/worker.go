package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sourcegraph/conc/panics"
)

// A worker fills rows, one sample at a time, in memory that it keeps.
type worker struct {
	p       *Pipeline
	ctx     context.Context
	sample  *Sample
	attempt func() // w.try, bound once: a closure for each sample would be an allocation
	panics  *panics.Catcher

	// The sample in work.
	image int
	epoch uint64
	row   []byte // room for its views
	label int32
	pass  *pass // that runs
	view  int
	since time.Time // when pass began
	err   error

	params []float64 // drawn for the sample
}

func newWorker(ctx context.Context, p *Pipeline) *worker {
	w := &worker{p: p, ctx: ctx, sample: &Sample{ctx: ctx}, panics: new(panics.Catcher), params: make([]float64, p.chains.params)}
	w.sample.Rand = rand.New(&w.sample.run.gen)
	w.attempt = w.try
	return w
}

// run fills rows until there are no more, it is told to retire, or the loop ends.
func (w *worker) run(jobs <-chan job, retire <-chan struct{}) {
	for {
		select {
		case j, ok := <-jobs:
			if !ok {
				return
			}
			w.fill(j)
		case <-retire:
			return
		case <-w.ctx.Done():
			return
		}
	}
}

// fill fills a row with its own image or the first substitute that is good.
func (w *worker) fill(j job) {
	b, o := j.batch, &w.p.order
	w.epoch, w.row = b.span.epoch, b.block.row(j.row)
	global := b.first + j.row
	image, ok := o.image(&b.span, global, 0)
	for try := 0; ok; try++ {
		w.image = image
		err := w.apply()
		if err == nil {
			b.block.set(j.row, uint64(w.image), w.label, w.params)
			break
		}
		if w.ctx.Err() != nil { // the stage may have failed for that alone, and nobody takes the batch
			break
		}
		if image, ok = o.image(&b.span, global, try+1); endsRun(err) {
			ok = false
		}
		b.fail(badSample{row: j.row, last: !ok, err: err})
	}
	b.filled()
}

// apply makes the views of the image.
func (w *worker) apply() *SampleError {
	w.err = nil
	w.panics.Try(w.attempt)
	if p := w.panics.Recovered(); p != nil {
		w.err = p.AsError()
		w.panics = new(panics.Catcher) // it keeps the first panic for good
	}
	if w.err == nil {
		return nil
	}
	w.done()
	w.pass.counter.errors.Add(1)
	return &SampleError{ID: uint64(w.image), Key: w.sample.Key, Stage: w.pass.name(), View: w.view, Err: w.err}
}

// try reads the image and runs the stages.
func (w *worker) try() {
	s, p := w.sample, w.p
	s.ID, s.Label, s.Key, s.Bytes = uint64(w.image), -1, "", nil
	s.Image.resize(0, 0)
	w.since = time.Now()
	w.begin(&p.reading, 0)
	w.seek(&p.reading.steps[0], 0)
	w.err = p.source.Read(w.ctx, w.image, s)
	if w.err != nil {
		return
	}
	w.done()
	if w.err = w.chain(&p.chains.base, 0); w.err != nil {
		return
	}
	w.label = s.Label
	if len(p.chains.views) == 0 {
		w.err = w.store(0)
		return
	}
	w.err = w.views()
}

// views makes each view from the image that the base chain has left.
func (w *worker) views() error {
	s, views := w.sample, w.p.chains.views
	key, bytes := s.Key, s.Bytes
	for v := range views {
		view, last := &views[v], v == len(views)-1
		if v > 0 {
			s.ID, s.Label, s.Key, s.Bytes = uint64(w.image), w.label, key, bytes
			s.Image, s.base = s.base, s.Image
		}
		crops := len(view.passes) > 0 && view.passes[0].cropper != nil
		if !last && !crops {
			s.keep()
		}
		w.since = time.Now()
		whole := s.Image
		for i := range view.passes {
			if err := w.perform(&view.passes[i], v+1); err != nil {
				return err
			}
			if i == 0 && !last && crops && !s.rescue(whole) {
				return errors.New("it is a pipeline.Cropper, but did not leave its result by Sample.Next and Sample.Swap")
			}
		}
		if err := w.store(v); err != nil {
			return err
		}
	}
	return nil
}

// chain runs the passes of a chain on the sample.
func (w *worker) chain(c *chain, view int) error {
	for i := range c.passes {
		if err := w.perform(&c.passes[i], view); err != nil {
			return err
		}
	}
	return nil
}

// perform runs one pass on the sample.
func (w *worker) perform(p *pass, view int) error {
	w.begin(p, view)
	var err error
	switch {
	case p.decoder != nil:
		err = w.decode(p, view)
	case p.with != nil:
		if !p.drawn {
			w.draw(p, w.sample.Image.W, w.sample.Image.H, view)
		}
		err = p.with(w.sample, p.params(w.params))
	default:
		w.seek(&p.steps[0], view)
		err = p.steps[0].stage.Apply(w.sample)
	}
	if err != nil {
		return err
	}
	w.done()
	return nil
}

// begin makes p the pass that runs.
func (w *worker) begin(p *pass, view int) { w.pass, w.view = p, view }

// seek gives the sample the random numbers of a step.
func (w *worker) seek(s *step, view int) {
	w.sample.run.gen.seekHash(w.p.options.Seed, s.hash, w.epoch, uint64(w.image), uint64(view))
}

// done books the time of the pass that ran.
func (w *worker) done() {
	now := time.Now()
	w.pass.counter.count.Add(1)
	w.pass.counter.busy.Add(int64(now.Sub(w.since)))
	w.since = now
}

// store copies the image to its place in the row.
func (w *worker) store(view int) error {
	m, want := &w.sample.Image, w.p.chains.shape
	n := want.H * want.W * want.C
	if m.H != want.H || m.W != want.W || len(m.Pix) != n {
		return fmt.Errorf("the stages made an image of %dx%dx3 (height, width) with %d bytes, but announced %v",
			m.H, m.W, len(m.Pix), want)
	}
	copy(w.row[view*n:], m.Pix)
	return nil
}
