package simclr

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr/probe"
	"github.com/goclr/goclr/stages"
)

// An Encoder turns images into features. It is safe for concurrent use; calls take turns at the backend.
type Encoder struct {
	model   Model
	mu      sync.Mutex
	program backends.Program
}

// OpenEncoder opens the encoder of a run: of the directory that pretrain -out wrote, or of one of its checkpoints. The
// backend must stay open until Close.
func OpenEncoder(ctx context.Context, b backends.Backend, dir string) (*Encoder, error) {
	c, err := ReadCheckpoint(dir)
	if err != nil {
		return nil, err
	}
	w, err := c.Weights()
	if err != nil {
		return nil, err
	}
	e, err := newEncoder(ctx, b, c.Config, w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return e, nil
}

// UntrainedEncoder is the encoder with random weights, as a run of the given Config begins without Init: what a trained one is
// to be compared with.
func UntrainedEncoder(ctx context.Context, b backends.Backend, c Config) (*Encoder, error) {
	return newEncoder(ctx, b, c, nil)
}

// newEncoder makes an encoder with the weights w, or with the first ones of c if w is nil.
func newEncoder(ctx context.Context, b backends.Backend, c Config, w backends.Weights) (*Encoder, error) {
	step, initial, err := c.Model.EncoderStep(c.Seed)
	if err != nil {
		return nil, err
	}
	if w == nil {
		w = initial
	}
	program, err := b.Compile(ctx, step)
	if err != nil {
		return nil, err
	}
	if err := program.Load(w); err != nil {
		return nil, errors.Join(err, program.Close())
	}
	return &Encoder{model: c.Model, program: program}, nil
}

// Model returns what the encoder was built as.
func (e *Encoder) Model() Model { return e.model }

// Close frees the encoder's memory.
func (e *Encoder) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.program.Close()
}

// Embed returns the features of encoded images (JPEG, PNG, ...), each a vector of Model.FeatureDim numbers. An image that
// cannot be decoded is an error that names its index.
func (e *Encoder) Embed(ctx context.Context, images ...[]byte) ([][]float32, error) {
	if len(images) == 0 {
		return nil, nil
	}
	f, err := e.Features(ctx, imageList(images), FeatureOptions{})
	if err != nil {
		return nil, err
	}
	rows := make([][]float32, f.Len())
	for i := range rows {
		rows[i] = f.Row(i)
	}
	return rows, nil
}

// FeatureOptions are what Features needs besides images. The zero value is good.
type FeatureOptions struct {
	// MaxPixels is the limit of stages.Decode. The default is its default.
	MaxPixels int
	// Workers is the number of goroutines that decode. The default is GOMAXPROCS.
	Workers int
	// SkipBad leaves out images that cannot be decoded. The default is false: one of them is an error.
	SkipBad bool
	// Observe is told how many images are done. The default is nil.
	Observe func(done int)
}

// Features returns the features of all images of a source, in its order.
func (e *Encoder) Features(ctx context.Context, src pipeline.Source, o FeatureOptions) (*probe.Features, error) {
	return features(ctx, src, e.model.ImageSize, e.model.featureRows(), o, e.model.FeatureDim(), e.embed)
}

func (e *Encoder) embed(ctx context.Context, batch arrow.Record) ([]float32, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, err := e.program.Embed(ctx, batch, backends.Eval)
	return m.Data, err
}

// PixelFeatures returns the pixels of all images of a source at the given size as features, centred on the mean of each image:
// the baseline that an encoder has to beat.
func PixelFeatures(ctx context.Context, src pipeline.Source, size int, o FeatureOptions) (*probe.Features, error) {
	return features(ctx, src, size, 256, o, 3*size*size, func(_ context.Context, batch arrow.Record) ([]float32, error) {
		pix, _, err := pipeline.Views(batch)
		if err != nil {
			return nil, err
		}
		out := make([]float32, len(pix))
		for row := 0; row < len(pix); row += 3 * size * size {
			centre(pix[row:row+3*size*size], out[row:])
		}
		return out, nil
	})
}

func centre(pix []byte, out []float32) {
	sum := 0
	for _, p := range pix {
		sum += int(p)
	}
	mean := float32(sum) / float32(len(pix))
	for i, p := range pix {
		out[i] = float32(p) - mean
	}
}

// maxBad is pipeline.Options.MaxBad.
func (o FeatureOptions) maxBad() float64 {
	if o.SkipBad {
		return 1
	}
	return -1 // the pipeline's word for none
}

// explain adds the next step to an error about a bad image.
func (o FeatureOptions) explain(err error) error {
	if bad := (*pipeline.TooManyBadError)(nil); errors.As(err, &bad) && !o.SkipBad {
		return fmt.Errorf("%w; evaluation takes every image: run ingest, which sets bad ones aside, and evaluate its shards", bad.Last)
	}
	return err
}

// features runs a source through the stages of evaluation and embed.
func features(ctx context.Context, src pipeline.Source, size, batch int, o FeatureOptions, dim int,
	embed func(context.Context, arrow.Record) ([]float32, error)) (*probe.Features, error) {
	options := pipeline.Options{
		Batch: min(batch, src.Len()), Epochs: 1, Ordered: true, KeepTail: true, MaxBad: o.maxBad(), Workers: o.Workers,
	}
	decode := stages.Decode{MaxPixels: o.MaxPixels}
	p, err := pipeline.New(src, options, append([]pipeline.Stage{decode}, stages.Eval(size)...)...)
	if err != nil {
		return nil, err
	}
	f := probe.NewFeatures(src.Len(), dim)
	next := uint64(0)
	for record, err := range p.Batches(ctx, 0) {
		if err != nil {
			return nil, o.explain(err)
		}
		data, err := embed(ctx, record)
		if err != nil {
			return nil, err
		}
		ids, err := pipeline.IDs(record)
		if err != nil {
			return nil, err
		}
		labels, err := pipeline.Labels(record)
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			if id == next { // otherwise it is the substitute of a bad image
				f.Append(ids[i:i+1], labels[i:i+1], data[i*dim:(i+1)*dim])
			}
			next++
		}
		if o.Observe != nil {
			o.Observe(int(next))
		}
	}
	return f, nil
}

// imageList is a source of images in memory.
type imageList [][]byte

func (l imageList) Len() int { return len(l) }

func (l imageList) Read(_ context.Context, i int, s *pipeline.Sample) error {
	s.Bytes, s.Label, s.Key = l[i], -1, fmt.Sprintf("image %d", i)
	return nil
}
