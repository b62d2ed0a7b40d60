package pipeline

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
)

// A Pipeline is a plan for making batches: nothing runs until its Batches are ranged over. It may be used by many
// goroutines at once.
type Pipeline struct {
	source  Source
	options Options // with defaults
	order   order
	chains  *chains
	schema  *arrow.Schema
	plan    Plan
	reading pass // of the source
	stats   runStats
}

// New checks the options and the order of the stages and returns the pipeline. It reads no image and starts no goroutine.
//
// The stages run in order on each image. With Pair as the last of them every row of a batch has two views, without it one.
// The last stage must fix the size of the image, and the first is usually a decoder.
func New(src Source, o Options, stages ...Stage) (*Pipeline, error) {
	if src == nil {
		return nil, errors.New("pipeline: the source is nil")
	}
	images := src.Len()
	o, err := o.withDefaults(images)
	if err != nil {
		return nil, err
	}
	c, err := newChains(stages)
	if err != nil {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	schema, err := newSchema(c, o.Params)
	if err != nil {
		return nil, err
	}
	p := &Pipeline{source: src, options: o, chains: c, schema: schema}
	p.order = order{
		images: images, batch: o.Batch, rank: o.Rank, world: o.World, seed: o.Seed,
		sequential: o.Ordered, window: o.Window, keepTail: o.KeepTail, views: c.viewCount(),
	}
	p.reading = pass{steps: []step{{name: SourceStage}}, counter: &counter{name: SourceStage}}
	if p.plan, err = newPlan(src, images, o, c); err != nil {
		return nil, err
	}
	return p, nil
}

// Steps is the number of batches in an epoch.
func (p *Pipeline) Steps() int { return p.order.steps() }

// Schema is the schema of every record: id uint64, label int32 (-1: none), views, a TensorType of uint8 [V,H,W,C], and, with
// Options.Params, params: a struct of one struct for each view, which has a struct for each Drawer, of float64.
func (p *Pipeline) Schema() *arrow.Schema { return p.schema }

// Shape is the shape of one view.
func (p *Pipeline) Shape() Shape { return p.chains.shape }

// Views is the number of views of an image: 2 with Pair, 1 without.
func (p *Pipeline) Views() int { return p.chains.viewCount() }

// Plan returns what decides the bytes of the batches.
func (p *Pipeline) Plan() Plan { return p.plan }
