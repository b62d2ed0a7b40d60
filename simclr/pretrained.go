package simclr

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/simclr/safetensors"
)

// ErrMisfit says that weights are those of another encoder, width or stem than the model has.
var ErrMisfit = errors.New("weights of another model")

// Pretrained are weights that a run begins with instead of random ones.
type Pretrained struct {
	// Weights are what the model takes: Run.Init.
	Weights backends.Weights
	// SHA256 is that of the file, in hexadecimal: Config.InitSHA256.
	SHA256 string
	// Unused names the other tensors of the file, sorted.
	Unused []string
}

// ReadPretrained reads weights for the model from a safetensors file with torchvision's names, or from the directory of another
// run or one of its checkpoints. The encoder must be there as a whole and be that of the model; the projection head is taken
// if all of it is there and fits. An error says what of the model to change.
func ReadPretrained(path string, m Model) (*Pretrained, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	file, err := weightsOf(path)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(data)
	w, err := safetensors.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; PyTorch writes such a file with safetensors.torch.save_file(model.state_dict(), path)", file, err)
	}
	p, err := m.pick(w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	p.SHA256 = hex.EncodeToString(digest[:])
	return p, nil
}

// weightsOf is the file with the weights of what path names.
func weightsOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return path, err
	}
	c, err := ReadCheckpoint(path)
	if err != nil {
		return "", err
	}
	return filepath.Join(c.dir, weightsFile), nil
}

// pick returns those of the tensors that the model takes.
func (m Model) pick(w backends.Weights) (*Pretrained, error) {
	b := newBuilder()
	x := m.features(b)
	encoder := len(b.params)
	m.project(b, x)
	p := &Pretrained{}
	for _, q := range b.params[:encoder] {
		t, ok := w.Find(q.node.Name)
		if !ok {
			return nil, fmt.Errorf("%w: there is no tensor %q, which a %s has: choose the encoder of the file, which must have torchvision's names",
				ErrMisfit, q.node.Name, m.Encoder)
		}
		if !slices.Equal(t.Shape, q.node.Shape) {
			return nil, m.misfit(t, q.node)
		}
		p.Weights = append(p.Weights, t)
	}
	p.Weights = append(p.Weights, take(w, b.params[encoder:])...)
	for _, t := range w {
		if _, taken := p.Weights.Find(t.Name); taken {
			continue
		}
		// A deeper network holds all tensors of a shallower one, but is no such network.
		if strings.HasPrefix(t.Name, "layer") {
			return nil, fmt.Errorf("%w: there is a tensor %q, which a %s has not: choose the encoder of the file", ErrMisfit, t.Name, m.Encoder)
		}
		p.Unused = append(p.Unused, t.Name)
	}
	slices.Sort(p.Unused)
	if name, bad := notFinite(p.Weights); bad {
		return nil, fmt.Errorf("tensor %s is not finite: the file is damaged, or of a training that diverged", name)
	}
	return p, nil
}

// take returns the tensors of all the parameters, or nil if w lacks one or has it in another shape.
func take(w backends.Weights, params []*param) backends.Weights {
	var taken backends.Weights
	for _, q := range params {
		t, ok := w.Find(q.node.Name)
		if !ok || !slices.Equal(t.Shape, q.node.Shape) {
			return nil
		}
		taken = append(taken, t)
	}
	return taken
}

// misfit is an ErrMisfit that says why t is not the tensor n of the model: another stem, width or encoder.
func (m Model) misfit(t backends.Tensor, n *graph.Node) error {
	if n.Name == "conv1.weight" && len(t.Shape) == 4 {
		if k := t.Shape[3]; k == 7 && m.ImageSize <= smallStem {
			return fmt.Errorf("%w: its first convolution is 7x7, as for images of more than %d pixels, and the model's is 3x3 for images of %d: choose an image size above %d",
				ErrMisfit, smallStem, m.ImageSize, smallStem)
		} else if k == 3 && m.ImageSize > smallStem {
			return fmt.Errorf("%w: its first convolution is 3x3, as for images of up to %d pixels, and the model's is 7x7 for images of %d: choose an image size of at most %d",
				ErrMisfit, smallStem, m.ImageSize, smallStem)
		}
		if width := float64(t.Shape[0]) / 64; width != m.Width && slices.Contains(Widths, width) {
			return fmt.Errorf("%w: its first convolution has %d channels, which is width %g, and the model has width %g: choose width %g",
				ErrMisfit, t.Shape[0], width, m.Width, width)
		}
	}
	return fmt.Errorf("%w: tensor %q is %v, and %v in a %s of width %g: choose the encoder and width of the file",
		ErrMisfit, t.Name, t.Shape, n.Shape, m.Encoder, m.Width)
}

// begin returns the first weights of the run: initial, or in their place those of Init.
func (r Run) begin(initial backends.Weights) (backends.Weights, error) {
	if (r.InitSHA256 != "") != (r.Init != nil) {
		return nil, fmt.Errorf("the run begins with %d given tensors, and their SHA-256 is %q: set Init and InitSHA256 both, as ReadPretrained gives them, or neither",
			len(r.Init), r.InitSHA256)
	}
	for i, t := range initial {
		if given, ok := r.Init.Find(t.Name); ok {
			initial[i] = given
		}
	}
	return initial, nil
}
