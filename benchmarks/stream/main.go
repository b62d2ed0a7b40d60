// Stream writes the batches that a run of pretrain was trained on to standard output, byte for byte, as an Arrow IPC stream with the
// columns id, label and views (fixed_shape_tensor of uint8, [2,H,W,3]), so that another program can train on them:
//
//	go run ./benchmarks/stream -run RUN -steps 100 | python benchmarks/peers/torch_train.py ...
//
// Images and stages are those of the run's settings; it refuses to begin unless the plan that they make is that of the run. The schema's
// metadata has plan_hash, the SHA-256 of the plan as in run.json, and from, the number of the first batch.
//
// With -raw no library is needed to read it: one line, a JSON object with plan_hash, from, and the shape [B,2,H,W,3] of a batch; then the
// bytes of the views of each batch, and nothing between them.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

func main() {
	log.SetFlags(0)
	run := flag.String("run", "", "the `directory` that pretrain wrote, or one of its checkpoints")
	data := flag.String("data", "", "where the images are now (default where they were for the run)")
	from := flag.Int("from", 0, "number of the first batch, counted from 0")
	steps := flag.Int("steps", 0, "number of the batch to end before (default the end of the schedule)")
	raw := flag.Bool("raw", false, "write a line of JSON and the views' bytes instead of Arrow")
	flag.Parse()
	if err := write(os.Stdout, *raw, *run, *data, *from, *steps); err != nil {
		log.Fatalf("stream: %v", err)
	}
}

// write writes the batches from number from on, to the one before number steps or, if that is 0, to the end.
func write(w io.Writer, raw bool, run, data string, from, steps int) (err error) {
	if run == "" {
		return errors.New("-run is needed: the directory that pretrain -out wrote")
	}
	c, err := simclr.ReadCheckpoint(run)
	if err != nil {
		return err
	}
	if steps == 0 {
		steps = c.Steps
	}
	if from < 0 || from > steps || steps > c.Steps {
		return fmt.Errorf("-from %d -steps %d: %s has batches 0 to %d", from, steps, run, c.Steps-1)
	}
	if data == "" {
		data = c.Settings["data"]
	}
	src, err := datasets.Open(context.Background(), data, datasets.Options{})
	if err != nil {
		return fmt.Errorf("the images of %s: %w; say with -data where they are now", run, err)
	}
	defer src.Close()
	p, err := pipelineOf(c, src)
	if err != nil {
		return fmt.Errorf("%s: %w", run, err)
	}
	buffered := bufio.NewWriterSize(w, 1<<20)
	defer func() { err = errors.Join(err, buffered.Flush()) }()
	open := openArrow
	if raw {
		open = openRaw
	}
	stream, err := open(buffered, p, from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	if from == steps {
		return nil
	}
	for batch, err := range p.Batches(context.Background(), from) {
		if err == nil {
			err = stream.Write(batch)
		}
		if err != nil {
			return err
		}
		if from++; from == steps {
			break
		}
	}
	return nil
}

// pipelineOf makes the pipeline of a run, with the plan of its checkpoint.
func pipelineOf(c *simclr.Checkpoint, src datasets.Dataset) (*pipeline.Pipeline, error) {
	strength, err := strconv.ParseFloat(c.Settings["strength"], 64)
	if err != nil {
		return nil, fmt.Errorf("setting strength: %w", err)
	}
	maxPixels, err := strconv.Atoi(c.Settings["max-pixels"])
	if err != nil {
		return nil, fmt.Errorf("setting max-pixels: %w", err)
	}
	view, err := stages.Preset(c.Settings["augment"], c.Config.Model.ImageSize, strength)
	if err != nil {
		return nil, fmt.Errorf("setting augment: %w", err)
	}
	p, err := pipeline.New(src, pipeline.Options{Batch: c.Plan.Batch, Epochs: c.Config.Epochs, Seed: c.Plan.Seed, Window: c.Plan.Window},
		stages.Decode{MaxPixels: maxPixels}, pipeline.Pair(view...))
	if err != nil {
		return nil, err
	}
	if diff := p.Plan().Diff(c.Plan); diff != "" {
		return nil, fmt.Errorf("these would be other batches than those of the run: %s; use its images and the version of goclr that wrote it", diff)
	}
	return p, nil
}
