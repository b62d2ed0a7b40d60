package simclr

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
)

// otherWeights are those of the model's encoder by another seed than that of testConfig.
func otherWeights(t *testing.T, m Model) backends.Weights {
	t.Helper()
	_, w, err := m.EncoderStep(77)
	if err != nil {
		t.Fatal(err)
	}
	for i := range w { // no tensor as it begins
		w[i].Data[0] += 0.5
	}
	return w
}

// writeTorch writes weights as PyTorch does: beside the tensors, as BF16 or F32, a last layer and an integer for each batch norm.
func writeTorch(t *testing.T, w backends.Weights, dtype string) string {
	t.Helper()
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	var data []byte
	put := func(name, dtype string, shape []int, raw []byte) {
		header[name] = entry{dtype, shape, [2]int{len(data), len(data) + len(raw)}}
		data = append(data, raw...)
	}
	fc := backends.Tensor{Name: "fc.weight", Shape: []int{10, 2}, Data: make([]float32, 20)}
	for _, tensor := range append(slices.Clone(w), fc) {
		var raw []byte
		for _, v := range tensor.Data {
			if dtype == "BF16" {
				raw = binary.LittleEndian.AppendUint16(raw, uint16(math.Float32bits(v)>>16))
			} else {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
			}
		}
		put(tensor.Name, dtype, tensor.Shape, raw)
		if name, ok := strings.CutSuffix(tensor.Name, "running_var"); ok {
			put(name+"num_batches_tracked", "I64", []int{}, make([]byte, 8))
		}
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "torch.safetensors")
	file := slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, data)
	if err := os.WriteFile(path, file, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPretrained begins a run with a file of PyTorch's, and goes on with it when the file is gone.
func TestPretrained(t *testing.T) {
	c := testConfig()
	want := otherWeights(t, c.Model)
	path := writeTorch(t, want, "F32")
	p, err := ReadPretrained(path, c.Model)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(data); p.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("SHA-256 %s, want %x", p.SHA256, sum)
	}
	if !slices.Equal(p.Unused, []string{"fc.weight"}) || len(p.Weights) != len(want) {
		t.Errorf("%d tensors taken of %d, unused %v", len(p.Weights), len(want), p.Unused)
	}
	c.InitSHA256 = p.SHA256
	r := Run{Dir: t.TempDir(), Config: c, Init: p.Weights, MaxSteps: 2}
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	first, err := ReadCheckpoint(filepath.Join(r.Dir, checkpointsDir, "step-0"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := first.Weights()
	if err != nil {
		t.Fatal(err)
	}
	_, random, err := c.Model.TrainStep(4, c.Optimizer, c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range got {
		expected, given := want.Find(w.Name)
		if !given {
			expected, _ = random.Find(w.Name) // the head
		}
		if !slices.Equal(w.Data, expected.Data) {
			t.Errorf("the run begins with another %s", w.Name)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.Init, r.Resume, r.MaxSteps = nil, true, 3
	if err := train(t, r); err != nil {
		t.Error(err)
	}
	r.InitSHA256 = ""
	if err := train(t, r); err == nil || !strings.Contains(err.Error(), "first weights random instead of sha256:"+p.SHA256[:12]) {
		t.Errorf("without its digest the run is resumed with error %v", err)
	}
}

// TestPretrainedByARun takes the weights of a run, and its head where it fits.
func TestPretrainedByARun(t *testing.T) {
	c := testConfig()
	run := t.TempDir()
	if err := train(t, Run{Dir: run, Config: c, MaxSteps: 1}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{run, filepath.Join(run, latestLink), filepath.Join(run, weightsFile)} {
		p, err := ReadPretrained(path, c.Model)
		if err != nil {
			t.Fatal(err)
		}
		if _, head := p.Weights.Find("projection.linear2.weight"); !head || len(p.Unused) > 0 {
			t.Errorf("%s: head taken: %t, unused %v", path, head, p.Unused)
		}
	}
	m := c.Model
	m.Projection++
	p, err := ReadPretrained(run, m)
	if err != nil {
		t.Fatal(err)
	}
	if _, head := p.Weights.Find("projection.linear1.weight"); head || !slices.Contains(p.Unused, "projection.linear2.weight") {
		t.Errorf("part of a head is taken: %t, unused %v", head, p.Unused)
	}
}

func TestPretrainedInHalfPrecision(t *testing.T) {
	m := testConfig().Model
	want := otherWeights(t, m)
	p, err := ReadPretrained(writeTorch(t, want, "BF16"), m)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		got, _ := p.Weights.Find(w.Name)
		for i, v := range got.Data {
			if d := v - w.Data[i]; math.Abs(float64(d)) > math.Abs(float64(w.Data[i]))/128 {
				t.Fatalf("%s is %g, want about %g", w.Name, v, w.Data[i])
			}
		}
	}
}

func TestPretrainedRefusals(t *testing.T) {
	model := func(change func(*Model)) Model {
		m := testConfig().Model
		change(&m)
		return m
	}
	same := func(*Model) {}
	deep := func(m *Model) { m.Encoder = "resnet34" }
	large := func(m *Model) { m.ImageSize = 72 }
	wide := func(m *Model) { m.Width = 0.5 }
	bottlenecks := func(m *Model) { m.Encoder = "resnet50" }
	text := filepath.Join(t.TempDir(), "model.pth")
	if err := os.WriteFile(text, []byte("a pickle of something"), 0o666); err != nil {
		t.Fatal(err)
	}
	diverged := otherWeights(t, model(same))
	diverged[3].Data[0] = float32(math.NaN())
	for _, c := range []struct {
		name  string
		path  string
		model Model
		want  []string
	}{
		{"no file", "/nowhere/x.safetensors", model(same), []string{"/nowhere/x.safetensors"}},
		{"no run", t.TempDir(), model(same), []string{"no checkpoint", "pretrain -out"}},
		{"no safetensors", text, model(same), []string{text, "save_file"}},
		{"large stem", writeTorch(t, otherWeights(t, model(large)), "F32"), model(same), []string{"7x7", "images of 8", "size above 64"}},
		{"small stem", writeTorch(t, otherWeights(t, model(same)), "F32"), model(large), []string{"3x3", "images of 72", "at most 64"}},
		{"width", writeTorch(t, otherWeights(t, model(wide)), "F32"), model(same), []string{"choose width 0.5"}},
		{"shallower", writeTorch(t, otherWeights(t, model(same)), "F32"), model(deep), []string{`no tensor "layer1.2.conv1.weight"`, "resnet34"}},
		{"deeper", writeTorch(t, otherWeights(t, model(deep)), "F32"), model(same), []string{`there is a tensor "layer1.2.`, "resnet18 has not"}},
		{"other blocks", writeTorch(t, otherWeights(t, model(bottlenecks)), "F32"), model(same), []string{"layer1.0.conv1.weight", "[16 16 1 1]", "encoder and width"}},
		{"not finite", writeTorch(t, diverged, "F32"), model(same), []string{diverged[3].Name, "not finite"}},
		{"unknown encoder", text, model(func(m *Model) { m.Encoder = "vgg" }), []string{"choose one of"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadPretrained(c.path, c.model)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
	digestOnly, weightsOnly := testConfig(), testConfig()
	digestOnly.InitSHA256 = "12"
	for name, r := range map[string]Run{"digest": {Config: digestOnly}, "weights": {Config: weightsOnly, Init: diverged}} {
		r.Dir = t.TempDir()
		if err := train(t, r); err == nil || !strings.Contains(err.Error(), "set Init and InitSHA256 both") {
			t.Errorf("with %s alone: error %v", name, err)
		}
	}
}
