package simclr

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/graph"
)

// TestParameterCounts compares with torchvision: sum(p.numel() for p in resnetX().parameters()), less the fc layer.
func TestParameterCounts(t *testing.T) {
	for encoder, want := range map[string]int{
		"resnet18": 11689512 - 513000, "resnet34": 21797672 - 513000, "resnet50": 25557032 - 2049000,
	} {
		m := DefaultModel()
		m.Encoder, m.ImageSize = encoder, 224
		s, _, err := m.EncoderStep(1)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, n := range s.Tensors() {
			if n.Op == graph.OpParam {
				got += n.Size()
			}
		}
		if got != want {
			t.Errorf("%s has %d parameters, torchvision's has %d", encoder, got, want)
		}
		if want := []int{m.featureRows(), m.FeatureDim()}; !slices.Equal(s.Features.Shape, want) {
			t.Errorf("%s gives features %v, want %v", encoder, s.Features.Shape, want)
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
	for _, name := range Optimizers {
		o := testConfig().Optimizer
		o.Name = name
		s, _, err := testConfig().Model.TrainStep(4, o, 1)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, u := range s.Updates {
			v := u.Value
			if v.Op != graph.OpVelocity && v.Op != graph.OpLARSVelocity {
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
		if seen != 65 {
			t.Errorf("%s updates %d parameters, want 65", name, seen)
		}
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
