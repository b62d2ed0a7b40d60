package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/onnx"
	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/simclr/safetensors"
	"github.com/goclr/goclr/stages"
)

const exportHelp = `Evaluate export writes the encoder of a run, without its projection head, for other programs:

  onnx         a model of standard operators for any ONNX runtime. Its input "images" is uint8 [N,H,W,3], RGB, of the run's image
               size and any N: scaling and normalisation are inside. Its output "features" is float32 [N,D], as of evaluate embed
  safetensors  the weights alone, with the names of torchvision's ResNet, without fc

The ONNX file says in its documentation how embed brings an image to the size.

  evaluate export -run runs/a -format onnx -out encoder.onnx
  evaluate export -run runs/a -format safetensors -out encoder.safetensors`

func runExport(_ context.Context, args []string) error {
	f := cli.NewFlags("evaluate export", exportHelp)
	var e export
	defineRun(f, &e.run)
	format := f.String("format", "onnx", "what to write: onnx or safetensors")
	out := f.String("out", "", "the `file` to write")
	if err := f.Parse(args); err != nil {
		return err
	}
	write, known := map[string]func(io.Writer) error{"onnx": e.writeONNX, "safetensors": e.writeSafetensors}[*format]
	switch {
	case f.NArg() > 0:
		return cli.Usagef("unexpected argument %q: every setting is a flag", f.Arg(0))
	case !known:
		return cli.Usagef("-format %q: choose onnx or safetensors", *format)
	case e.run == "" || *out == "":
		return cli.Usagef("-run and -out are needed: the directory that pretrain -out wrote, and the file to write")
	}
	if err := checkOut(*out); err != nil {
		return err
	}
	if err := e.read(); err != nil {
		return err
	}
	err := cli.WriteFile(*out, func(w io.WriteSeeker) error { return write(w) })
	if errors.Is(err, onnx.ErrTooLarge) {
		return fmt.Errorf("%w; write the weights alone with -format safetensors", err)
	}
	if err != nil {
		return err
	}
	m := e.checkpoint.Config.Model
	fmt.Fprintf(os.Stderr, "%s, width %g, at %d px, after %d steps, %d features, in %s\n",
		m.Encoder, m.Width, m.ImageSize, e.checkpoint.Step, m.FeatureDim(), *out)
	return nil
}

// An export is what is written: the encoder of a run.
type export struct {
	run        string
	checkpoint *simclr.Checkpoint
	encoder    *graph.Step
	weights    backends.Weights // and those of the head
}

func (e *export) read() (err error) {
	if e.checkpoint, err = simclr.ReadCheckpoint(e.run); err != nil {
		return err
	}
	c := e.checkpoint.Config
	if e.encoder, _, err = c.Model.EncoderStep(c.Seed); err != nil {
		return err
	}
	e.weights, err = e.checkpoint.Weights()
	return err
}

func (e *export) writeONNX(w io.Writer) error {
	run, err := filepath.Abs(e.run)
	if err != nil {
		return err
	}
	c, m := e.checkpoint, e.checkpoint.Config.Model
	return onnx.Export(w, e.encoder, e.weights, onnx.Description{
		Version: version(),
		Doc: fmt.Sprintf("%s of width %g after %d steps of SimCLR. Input images: uint8 [N,%d,%d,3], RGB, any N; scaling and normalisation "+
			"are inside. Evaluate embed makes of an image, upright, %s. Output features: float32 [N,%d].",
			m.Encoder, m.Width, c.Step, m.ImageSize, m.ImageSize, framing(m.ImageSize), m.FeatureDim()),
		Metadata: map[string]string{
			"goclr.run":        filepath.Base(run),
			"goclr.step":       strconv.Itoa(c.Step),
			"goclr.encoder":    m.Encoder,
			"goclr.width":      strconv.FormatFloat(m.Width, 'g', -1, 64),
			"goclr.image_size": strconv.Itoa(m.ImageSize),
			"goclr.plan_hash":  c.PlanHash,
			"goclr.trained_by": c.Backend.Library,
			"goclr.version":    version(),
		},
	})
}

// framing says in words what stages.Eval makes of an image.
func framing(size int) string {
	if crop, ok := stages.Eval(size)[0].(stages.CenterCrop); ok {
		return fmt.Sprintf("the central square, 0.875 of the shorter side, resized (%v, antialiased)", crop.Interpolation)
	}
	return "the whole of it, resized (bilinear, antialiased)"
}

// writeSafetensors writes the tensors of the encoder in graph order.
func (e *export) writeSafetensors(w io.Writer) error {
	values, err := backends.Match(e.encoder, e.weights)
	if err != nil {
		return err
	}
	var kept backends.Weights
	for i, n := range e.encoder.Tensors() {
		kept = append(kept, backends.Tensor{Name: n.Name, Shape: n.Shape, Data: values[i]})
	}
	return safetensors.Encode(w, kept)
}

// version is that of this program's module.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
