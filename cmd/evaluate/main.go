// Evaluate measures what an encoder has learned, and writes its features or the encoder itself.
package main

import (
	"context"
	"maps"
	"slices"

	_ "github.com/goclr/goclr/backends/gorgonia"
	_ "github.com/goclr/goclr/backends/reference"
	"github.com/goclr/goclr/cmd/internal/cli"
)

const help = `Evaluate measures what an encoder has learned, and writes its features or the encoder itself.

  evaluate knn      -run RUN -train SRC -test SRC    weighted vote of the 200 nearest training images
  evaluate linear   -run RUN -train SRC -test SRC    linear classifier on frozen features
  evaluate finetune -run RUN -train SRC -test SRC    whole network on some or all of the labels, beside a start from scratch
  evaluate embed    -run RUN -in SRC -out x.arrow    write id, label and features of any images
  evaluate export   -run RUN -out x.onnx             write the encoder for other programs: ONNX or safetensors

SRC is a folder, a .tar, a shard directory, a CIFAR archive or synthetic. Examples:

  evaluate knn -run runs/a -train train.tar -test test.tar
  evaluate linear -run runs/a -train synthetic -test 'synthetic#test' -json
  evaluate finetune -run runs/a -train train.tar -test test.tar -fraction 0.01
  evaluate embed -run runs/a -in photos/ -out photos.arrow
  evaluate export -run runs/a -format onnx -out encoder.onnx

Each command explains its flags: evaluate knn -h`

func main() { cli.Main("evaluate", run) }

func run(ctx context.Context, args []string) error {
	commands := map[string]func(context.Context, []string) error{
		"knn": runKNN, "linear": runLinear, "finetune": runFinetune, "embed": runEmbed, "export": runExport,
	}
	if len(args) > 0 {
		if command, ok := commands[args[0]]; ok {
			return command(ctx, args[1:])
		}
	}
	f := cli.NewFlags("evaluate", help)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return cli.Usagef("say what to do: knn, linear, finetune, embed or export; see evaluate -h")
	}
	if near, ok := cli.Nearest(f.Arg(0), slices.Sorted(maps.Keys(commands))); ok {
		return cli.Usagef("unknown command %q: did you mean %s?", f.Arg(0), near)
	}
	return cli.Usagef("unknown command %q: there are knn, linear, finetune, embed and export", f.Arg(0))
}
