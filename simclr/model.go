package simclr

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/goclr/goclr/backends/graph"
)

// A Model says what network to build. All fields are recorded with its weights.
type Model struct {
	// Encoder is one of Encoders: "resnet18", "resnet34", "resnet50", "resnet101" or "resnet152".
	Encoder string `json:"encoder"`
	// Width multiplies the number of channels: 0.25, 0.5, 1, 2 or 4.
	Width float64 `json:"width"`
	// ImageSize is the side of a view in pixels. Up to 64 the encoder begins with the small stem of section B.9 of the
	// paper (3x3 convolution, no pooling), above with that of ImageNet.
	ImageSize int `json:"image_size"`
	// OnesInit starts the last gamma of each block at 1. The default, false, starts it at 0, so that the block is at first its
	// shortcut (Goyal et al. 2017), as in the reference implementation.
	OnesInit bool `json:"ones_init,omitempty"`
	// Head is the projection head of section 4.2 of the paper: "nonlinear", "linear" or "none". A layer is dense without bias and
	// then batch normalisation, the last one without beta; in between is a ReLU. "linear" is one layer; "none" compares the
	// features themselves.
	Head string `json:"head"`
	// HeadLayers is the number of dense layers of a nonlinear head: 2 as in the paper, 3 as in SimCLRv2, or 1, which is the
	// linear head, as it is in the reference implementation.
	HeadLayers int `json:"head_layers"`
	// Projection is the length of the vectors that the loss compares, 128 in the paper. Without a head it has no effect.
	Projection int `json:"projection"`
	// Loss is one of Losses, see graph.Graph.NTXent, NTLogistic and Triplet: "nt-xent" is that of equation 1 of the paper, the
	// others those that its table 4 compares it with.
	Loss string `json:"loss"`
	// SemiHard compares a view with its one semi-hard negative only, in the losses "nt-logistic" and "triplet".
	SemiHard bool `json:"semi_hard,omitempty"`
	// Margin is by how much a triplet's negative is to be farther than the positive, as a difference of cosines: up to 2; the paper
	// tried 0 to 1.6. It is 0 for other losses.
	Margin float64 `json:"margin,omitempty"`
	// Temperature is tau of equation 1 and table 2 of the paper. The loss "triplet" has none.
	Temperature float64 `json:"temperature"`
	// Mean and Std normalise the channels of views in [0,1]; 0 and 1, as in the paper, leave them alone.
	Mean [3]float64 `json:"mean"`
	Std  [3]float64 `json:"std"`
}

// DefaultModel is a ResNet-18 for images of 32 pixels with the two-layer head of the paper, and the temperature that its authors
// later advised for small batches and short schedules.
func DefaultModel() Model {
	return Model{
		Encoder: "resnet18", Width: 1, ImageSize: 32,
		Head: "nonlinear", HeadLayers: 2, Projection: 128, Loss: ntXent, Temperature: 0.2,
		Std: [3]float64{1, 1, 1},
	}
}

// Widths are the factors that Model.Width may have.
var Widths = []float64{0.25, 0.5, 1, 2, 4}

// Heads are the names that Model.Head may have.
var Heads = []string{"none", "linear", "nonlinear"}

const maxHeadLayers = 3

// Validate returns an error that names the first field with a wrong value and the right ones.
func (m Model) Validate() error {
	switch {
	case !slices.Contains(Encoders(), m.Encoder):
		return fmt.Errorf("unknown encoder %q: choose one of %s", m.Encoder, strings.Join(Encoders(), ", "))
	case !slices.Contains(Widths, m.Width):
		return fmt.Errorf("width %g: choose one of %s", m.Width, strings.Trim(fmt.Sprint(Widths), "[]"))
	case m.ImageSize < 8:
		return fmt.Errorf("image size %d: an encoder needs at least 8 pixels", m.ImageSize)
	case !slices.Contains(Heads, m.Head):
		return fmt.Errorf("unknown projection head %q: choose one of %s", m.Head, strings.Join(Heads, ", "))
	case m.Head == "nonlinear" && (m.HeadLayers < 1 || m.HeadLayers > maxHeadLayers):
		return fmt.Errorf("a nonlinear head with %d layers: choose 1 to %d", m.HeadLayers, maxHeadLayers)
	case m.Projection < 1:
		return fmt.Errorf("projection to %d numbers: it must be at least 1", m.Projection)
	}
	if err := m.validateLoss(); err != nil {
		return err
	}
	for i, s := range m.Std {
		if !(s > 0) || math.IsInf(s, 0) || math.IsNaN(m.Mean[i]) {
			return fmt.Errorf("normalisation by mean %v and std %v: every std must be positive", m.Mean, m.Std)
		}
	}
	return nil
}

// FeatureDim is the number of features of the encoder.
func (m Model) FeatureDim() int {
	a := architectures[m.Encoder]
	return a.expansion * m.channels(512)
}

func (m Model) channels(base int) int { return int(float64(base) * m.Width) }

// encode appends the encoder to the graph of b and returns its features [N, FeatureDim] for images x.
func (m Model) encode(b *builder, x *graph.Node) *graph.Node {
	b.onesInit = m.OnesInit
	return architectures[m.Encoder].build(b, m, x)
}

// project appends the projection head, with hidden layers as wide as the features, and L2 normalisation.
func (m Model) project(b *builder, h *graph.Node) *graph.Node {
	layers := map[string]int{"none": 0, "linear": 1, "nonlinear": m.HeadLayers}[m.Head]
	for i := 1; i <= layers; i++ {
		last := i == layers
		width := m.FeatureDim()
		if last {
			width = m.Projection
		}
		name := fmt.Sprintf("projection.linear%d.weight", i)
		h = b.g.MatMul(h, b.param(name, Weight, normal(0.01), width, h.Shape[1]), false, true)
		h = b.norm(fmt.Sprintf("projection.bn%d", i), h, normOptions{relu: !last, noBeta: last})
	}
	return b.g.L2Normalize(h)
}
