package simclr

import (
	"fmt"
	"strings"

	"github.com/goclr/goclr/pipeline"
)

// A Config is all that decides the weights of a pretraining besides the images and the stages, which are in the plan of the
// pipeline. Run.Train refuses to resume a run with another one.
type Config struct {
	Model     Model     `json:"model"`
	Optimizer Optimizer `json:"optimizer"`
	// Epochs is the length of the schedule, which may end before: see Run.MaxSteps.
	Epochs int `json:"epochs"`
	// Seed decides the first weights, but those of Run.Init.
	Seed uint64 `json:"seed"`
	// InitSHA256 is that of the file of Run.Init, in hexadecimal. The default is "": all first weights are random.
	InitSHA256 string `json:"init_sha256,omitempty"`
	// Chunk is the number of images that the network takes at once; it divides the batch. The loss stays that of the batch: each
	// image is compared with all others. Batch normalisation takes its statistics from the chunk, and running statistics move once
	// a chunk, so weights depend on it. A step takes a third more computation. Memory grows with the chunk; of the batch it holds
	// the views, 6*ImageSize*ImageSize bytes an image for each batch made ahead and one more, and some kilobytes an image for the
	// loss, which has to be "nt-xent". The default is 0: the whole batch.
	Chunk int `json:"chunk,omitempty"`
}

// Validate returns an error that names the first field with a wrong value and the right ones.
func (c Config) Validate() error {
	if err := c.Model.Validate(); err != nil {
		return err
	}
	if err := c.Optimizer.Validate(); err != nil {
		return err
	}
	if c.Epochs < 1 {
		return fmt.Errorf("%d epochs: train for at least 1", c.Epochs)
	}
	if c.Chunk < 0 || c.Chunk == 1 {
		return fmt.Errorf("chunks of %d images: batch normalisation needs at least 2, and 0 is the whole batch", c.Chunk)
	}
	if c.Chunk > 0 && c.Model.Loss != ntXent {
		return fmt.Errorf("chunks of %d images with loss %s: only %s is computed over chunks; choose it, or chunk 0, the whole batch at once",
			c.Chunk, c.Model.Loss, ntXent)
	}
	return nil
}

// checkPipeline returns an error unless p makes what the model takes: pairs of views of its size.
func (c Config) checkPipeline(p *pipeline.Pipeline) error {
	if world := p.Plan().World; world != 1 {
		return fmt.Errorf("the pipeline makes the share of one of %d ranks; a run needs whole batches: leave World at 1", world)
	}
	size := pipeline.Shape{H: c.Model.ImageSize, W: c.Model.ImageSize, C: 3}
	if p.Views() != 2 || p.Shape() != size {
		return fmt.Errorf("the pipeline makes %d views of %v an image, the model takes 2 of %v; end the pipeline with Pair and crop to the model's size",
			p.Views(), p.Shape(), size)
	}
	if batch := p.Plan().Batch; c.Chunk > 0 && batch%c.Chunk != 0 {
		return fmt.Errorf("batches of %d images in chunks of %d: the chunk must divide the batch; choose another, or 0 for the whole batch", batch, c.Chunk)
	}
	return nil
}

// diff names what o has otherwise than c, for example "width 0.5 instead of 1".
func (c Config) diff(o Config) string {
	var diffs []string
	note := func(name string, was, is any) {
		if was != is {
			diffs = append(diffs, fmt.Sprintf("%s %v instead of %v", name, is, was))
		}
	}
	note("encoder", c.Model.Encoder, o.Model.Encoder)
	note("width", c.Model.Width, o.Model.Width)
	note("image size", c.Model.ImageSize, o.Model.ImageSize)
	note("head", c.Model.Head, o.Model.Head)
	note("head layers", c.Model.HeadLayers, o.Model.HeadLayers)
	note("projection", c.Model.Projection, o.Model.Projection)
	note("zero-init", !c.Model.OnesInit, !o.Model.OnesInit)
	note("loss", c.Model.Loss, o.Model.Loss)
	note("semi-hard", c.Model.SemiHard, o.Model.SemiHard)
	note("margin", c.Model.Margin, o.Model.Margin)
	note("temperature", c.Model.Temperature, o.Model.Temperature)
	note("mean", c.Model.Mean, o.Model.Mean)
	note("std", c.Model.Std, o.Model.Std)
	note("optimizer", c.Optimizer.Name, o.Optimizer.Name)
	note("learning rate", c.Optimizer.LearningRate, o.Optimizer.LearningRate)
	note("momentum", c.Optimizer.Momentum, o.Optimizer.Momentum)
	note("nesterov", c.Optimizer.Nesterov, o.Optimizer.Nesterov)
	note("weight decay", c.Optimizer.WeightDecay, o.Optimizer.WeightDecay)
	note("warm-up", c.Optimizer.WarmupEpochs, o.Optimizer.WarmupEpochs)
	note("epochs", c.Epochs, o.Epochs)
	note("seed", c.Seed, o.Seed)
	note("chunk", c.Chunk, o.Chunk)
	note("first weights", origin(c.InitSHA256), origin(o.InitSHA256))
	return strings.Join(diffs, ", ")
}

// origin names first weights by their digest.
func origin(digest string) string {
	if digest == "" {
		return "random"
	}
	return fmt.Sprintf("sha256:%.12s", digest)
}
