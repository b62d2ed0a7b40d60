package simclr

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/graph"
)

// encoderGraph builds the encoder without drawing its weights, of which the largest has a thousand million.
func encoderGraph(m Model) (params []*graph.Node, features *graph.Node) {
	b := newBuilder()
	features = m.features(b)
	for _, n := range b.g.Reach(features) {
		if n.Op == graph.OpParam {
			params = append(params, n)
		}
	}
	return params, features
}

func parameters(m Model) int {
	params, _ := encoderGraph(m)
	total := 0
	for _, n := range params {
		total += n.Size()
	}
	return total
}

// TestParameterCounts compares with torchvision: sum(p.numel() for p in resnetX().parameters()), less the fc layer.
func TestParameterCounts(t *testing.T) {
	for encoder, want := range map[string]int{
		"resnet18": 11689512 - 513000, "resnet34": 21797672 - 513000,
		"resnet50": 25557032 - 2049000, "resnet101": 44549160 - 2049000, "resnet152": 60192808 - 2049000,
	} {
		m := DefaultModel()
		m.Encoder, m.ImageSize = encoder, 224
		if got := parameters(m); got != want {
			t.Errorf("%s has %d parameters, torchvision's has %d", encoder, got, want)
		}
	}
}

// TestWidths compares with the millions of parameters that the papers print: table 6 of SimCLR, table 1 of SimCLRv2.
func TestWidths(t *testing.T) {
	for _, c := range []struct {
		encoder  string
		width    float64
		millions int
	}{
		{"resnet50", 1, 24}, {"resnet50", 2, 94}, {"resnet50", 4, 375},
		{"resnet101", 1, 43}, {"resnet101", 2, 170}, {"resnet152", 1, 58},
	} {
		m := DefaultModel()
		m.Encoder, m.Width, m.ImageSize = c.encoder, c.width, 224
		if got := int(math.Round(float64(parameters(m)) / 1e6)); got != c.millions {
			t.Errorf("%s at width %g has %d million parameters, published are %d", c.encoder, c.width, got, c.millions)
		}
	}
}

// TestEveryEncoderBuilds in every width and with both stems: all channels are those of width 1 times the width.
func TestEveryEncoderBuilds(t *testing.T) {
	for _, encoder := range Encoders() {
		for _, size := range []int{32, 224} {
			m := DefaultModel()
			m.Encoder, m.ImageSize = encoder, size
			base, _ := encoderGraph(m)
			for _, width := range Widths {
				m.Width = width
				if err := m.Validate(); err != nil {
					t.Fatal(err)
				}
				params, features := encoderGraph(m)
				if want := []int{m.featureRows(), m.FeatureDim()}; !slices.Equal(features.Shape, want) {
					t.Errorf("%s at width %g gives features %v, want %v", encoder, width, features.Shape, want)
				}
				for i, p := range params {
					if got, want := float64(p.Shape[0]), width*float64(base[i].Shape[0]); p.Name != base[i].Name || got != want {
						t.Errorf("%s at width %g: %v where width 1 has %v", encoder, width, p, base[i])
					}
				}
			}
		}
	}
}

func TestEncodersAreSortedByDepth(t *testing.T) {
	var depths []string
	for _, a := range Encoders() {
		depths = append(depths, fmt.Sprint("resnet", architectures[a].depth()))
	}
	if !slices.Equal(Encoders(), depths) || len(depths) != 5 {
		t.Errorf("encoders %v have the depths %v", Encoders(), depths)
	}
}

func TestOnesInit(t *testing.T) {
	for _, c := range []struct {
		onesInit bool
		name     string
		want     float32
	}{
		{false, "layer1.0.bn2.weight", 0}, {true, "layer1.0.bn2.weight", 1},
		{false, "layer1.0.bn1.weight", 1}, {false, "layer2.0.downsample.1.weight", 1},
	} {
		m := testConfig().Model
		m.OnesInit = c.onesInit
		_, w, err := m.EncoderStep(1)
		if err != nil {
			t.Fatal(err)
		}
		if gamma, _ := w.Find(c.name); len(gamma.Data) == 0 || slices.Min(gamma.Data) != c.want || slices.Max(gamma.Data) != c.want {
			t.Errorf("with ones init %t, %s starts at %v, want %v", c.onesInit, c.name, gamma.Data, c.want)
		}
	}
}

func TestStem(t *testing.T) {
	for size, want := range map[int]string{
		32: "Conv 64x32x32", 64: "Conv 64x64x64", 65: "Conv 64x33x33, MaxPool 64x17x17", 224: "Conv 64x112x112, MaxPool 64x56x56",
	} {
		m := DefaultModel()
		m.ImageSize = size
		s, _, err := m.EncoderStep(1)
		if err != nil {
			t.Fatal(err)
		}
		var stem []string
		for _, n := range s.Graph.Nodes {
			switch n.Op {
			case graph.OpConv, graph.OpMaxPool:
				if len(stem) == 0 || n.Op == graph.OpMaxPool {
					stem = append(stem, fmt.Sprintf("%s %dx%dx%d", n.Op, n.Shape[1], n.Shape[2], n.Shape[3]))
				}
			}
		}
		if got := strings.Join(stem, ", "); got != want {
			t.Errorf("%d px: stem %s, want %s", size, got, want)
		}
	}
}

func TestHeads(t *testing.T) {
	for _, c := range []struct {
		head   string
		layers int
		want   string
	}{
		{"none", 0, ""},
		{"linear", 0, "linear1.weight[16 128] bn1.weight[16]"},
		{"nonlinear", 1, "linear1.weight[16 128] bn1.weight[16]"}, // as in the reference implementation
		{"nonlinear", 2, "linear1.weight[128 128] bn1.weight[128] bn1.bias[128] linear2.weight[16 128] bn2.weight[16]"},
		{"nonlinear", 3, "linear1.weight[128 128] bn1.weight[128] bn1.bias[128] linear2.weight[128 128] bn2.weight[128] bn2.bias[128] linear3.weight[16 128] bn3.weight[16]"},
	} {
		m := testConfig().Model
		m.Head, m.HeadLayers = c.head, c.layers
		s, w, err := m.TrainStep(4, testConfig().Optimizer, 1)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range s.Graph.Nodes {
			if name, ok := strings.CutPrefix(n.Name, "projection."); ok && n.Op == graph.OpParam {
				got = append(got, fmt.Sprint(name, n.Shape))
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s %d: %s, want %s", c.head, c.layers, got, c.want)
		}
		for _, n := range s.Tensors() {
			if _, ok := w.Find(n.Name); !ok && n.Op != graph.OpSlot {
				t.Errorf("%s %d: %v has no first value", c.head, c.layers, n)
			}
		}
	}
}

// TestExclusions reads from the graph which parameters weight decay and LARS act on.
func TestExclusions(t *testing.T) {
	averages := []graph.Op{graph.OpVelocity, graph.OpLARSVelocity, graph.OpAdamMean, graph.OpAdamSquare}
	for _, name := range Optimizers {
		o := testConfig().Optimizer
		o.Name = name
		s, _, err := testConfig().Model.TrainStep(4, o, 1)
		if err != nil {
			t.Fatal(err)
		}
		seen, changed := 0, map[*graph.Node]bool{}
		for _, u := range s.Updates {
			changed[u.Target] = true
			v := u.Value
			if !slices.Contains(averages, v.Op) {
				continue
			}
			seen++
			p := v.In[1]
			isWeight := len(p.Shape) > 1 // gammas and betas are vectors, all else is a matrix or a filter
			if decays := v.Attr.Decay != 0; decays != isWeight {
				t.Errorf("%s: weight decay of %v is %g", name, p, v.Attr.Decay)
			}
			if adapts := v.Attr.Trust != 0; adapts != (isWeight && name == "lars") {
				t.Errorf("%s: trust coefficient of %v is %g", name, p, v.Attr.Trust)
			}
		}
		want := map[string]int{"sgd": 65, "lars": 65, "adam": 130}[name]
		if seen != want {
			t.Errorf("%s has %d averages of gradients, want %d", name, seen, want)
		}
		for _, n := range s.Tensors() {
			if !changed[n] {
				t.Errorf("%s never changes %v", name, n)
			}
			if isSlot(n.Name) != (n.Op == graph.OpSlot) {
				t.Errorf("a checkpoint of %s takes %v for the optimiser's: %t", name, n, isSlot(n.Name))
			}
		}
	}
}

// TestLosses reads the loss and what it was told from the graph.
func TestLosses(t *testing.T) {
	built := map[string]bool{}
	for _, c := range []struct {
		loss     string
		semiHard bool
		margin   float64
		want     graph.Op
	}{
		{"nt-xent", false, 0, graph.OpNTXent},
		{"nt-logistic", false, 0, graph.OpNTLogistic},
		{"nt-logistic", true, 0, graph.OpNTLogistic},
		{"triplet", false, 0, graph.OpTriplet},
		{"triplet", false, 0.8, graph.OpTriplet},
		{"triplet", true, 0.4, graph.OpTriplet},
	} {
		m := testConfig().Model
		m.Loss, m.SemiHard, m.Margin = c.loss, c.semiHard, c.margin
		s, _, err := m.TrainStep(4, testConfig().Optimizer, 1)
		if err != nil {
			t.Fatal(err)
		}
		a := s.Loss.Attr
		temperature := m.Temperature
		if c.loss == "triplet" {
			temperature = 0
		}
		if s.Loss.Op != c.want || a.SemiHard != c.semiHard || a.Margin != c.margin || a.Temperature != temperature {
			t.Errorf("%s, semi-hard %t, margin %g: the loss is %v with %+v", c.loss, c.semiHard, c.margin, s.Loss, a)
		}
		built[c.loss] = true
	}
	if names := slices.Sorted(maps.Keys(built)); len(names) != len(Losses) {
		t.Errorf("this tests %v, losses are %v", names, Losses)
	}
}

func TestFirstWeightsDependOnSeedAndNameOnly(t *testing.T) {
	m := testConfig().Model
	_, a, err := m.TrainStep(4, testConfig().Optimizer, 1)
	if err != nil {
		t.Fatal(err)
	}
	m.Head = "linear"
	_, b, err := m.TrainStep(8, testConfig().Optimizer, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, c, err := m.EncoderStep(2)
	if err != nil {
		t.Fatal(err)
	}
	const name = "layer2.0.conv1.weight"
	x, _ := a.Find(name)
	y, _ := b.Find(name)
	z, _ := c.Find(name)
	if !slices.Equal(x.Data, y.Data) {
		t.Errorf("another head and batch change the first %s", name)
	}
	if slices.Equal(x.Data, z.Data) {
		t.Errorf("another seed leaves the first %s as it was", name)
	}
	var squares float64
	for _, v := range x.Data {
		squares += float64(v) * float64(v)
	}
	if got, want := squares/float64(len(x.Data)), 2.0/(32*9); got < 0.95*want || got > 1.05*want {
		t.Errorf("variance of the first %s is %g, want %g", name, got, want)
	}
}
