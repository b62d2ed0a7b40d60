package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/simclr/safetensors"
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
