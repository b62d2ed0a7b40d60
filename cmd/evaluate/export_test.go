package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/onnx"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/simclr/safetensors"
	"github.com/goclr/goclr/stages"
)

// exported are encoders to export: both stems, both blocks, with and without normalised colours.
func exported() []simclr.Model {
	small := simclr.DefaultModel()
	small.Width, small.ImageSize = 0.25, 8
	large := small
	large.Encoder, large.ImageSize = "resnet50", 72
	large.Mean, large.Std = [3]float64{0.49, 0.48, 0.4}, [3]float64{0.25, 0.24, 0.26}
	return []simclr.Model{small, large}
}

// livelyRun is a run in which no part of the network is without effect: after two steps, gammas of 0 would still be near it.
func livelyRun(t *testing.T, m simclr.Model) string {
	t.Helper()
	run := trainRunOf(t, m)
	path := filepath.Join(run, "weights.safetensors")
	w, err := safetensors.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tensor := range w {
		if len(tensor.Shape) != 1 || strings.Contains(tensor.Name, ".running_") {
			continue
		}
		r := pipeline.Key{Seed: 3, Stage: tensor.Name}.Rand()
		for i := range tensor.Data {
			tensor.Data[i] += 0.2 + 0.2*r.Float32()
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := safetensors.Encode(f, w); err != nil {
		t.Fatal(err)
	}
	return run
}

// exportRun runs the command, which leaves one file.
func exportRun(t *testing.T, run, format string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "encoder")
	code, _, stderr := evaluate(t, "export", "-run", run, "-format", format, "-out", path)
	if code != 0 || !strings.Contains(stderr, path) {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Fatalf("beside the file there are %v (%v)", files, err)
	}
	return path
}

// evaluationViews are the bytes that the encoder gets of the first n images of data, one image after another.
func evaluationViews(t *testing.T, size, n int) []byte {
	t.Helper()
	set, err := datasets.Open(t.Context(), data, datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	p, err := pipeline.New(set, pipeline.Options{Batch: n, Epochs: 1, Ordered: true, MaxBad: -1},
		append([]pipeline.Stage{stages.Decode{}}, stages.Eval(size)...)...)
	if err != nil {
		t.Fatal(err)
	}
	for batch, err := range p.Batches(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		pix, _, err := pipeline.Views(batch)
		if err != nil {
			t.Fatal(err)
		}
		return append([]byte(nil), pix...)
	}
	t.Fatal("no batch")
	return nil
}

// featuresOf are those of the first n images of data as evaluate embed has them.
func featuresOf(t *testing.T, b backends.Backend, run string, n int) [][]float32 {
	t.Helper()
	encoder, err := simclr.OpenEncoder(t.Context(), b, run)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	set, err := datasets.Open(t.Context(), data, datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	f, err := encoder.Features(t.Context(), set, simclr.FeatureOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = f.Row(i)
	}
	return rows
}

// TestExportedModel runs exported models as any program would, on batches of several sizes.
func TestExportedModel(t *testing.T) {
	b, err := backends.Open(t.Context(), "onnx", backends.Options{}) // also loads the library for the sessions below
	if errors.Is(err, onnx.ErrNoLibrary) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, m := range exported() {
		t.Run(m.Encoder, func(t *testing.T) {
			run := livelyRun(t, m)
			path := exportRun(t, run, "onnx")
			checkMetadata(t, path, run, m)
			session, err := ort.NewDynamicAdvancedSession(path, []string{"images"}, []string{"features"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Destroy()
			pix, want := evaluationViews(t, m.ImageSize, 6), featuresOf(t, b, run, 6)
			bytes := m.ImageSize * m.ImageSize * 3
			for _, rows := range [][2]int{{0, 1}, {1, 6}} {
				n := rows[1] - rows[0]
				got := runModel(t, session, pix[rows[0]*bytes:rows[1]*bytes], []int64{int64(n), int64(m.ImageSize), int64(m.ImageSize), 3})
				if len(got) != n*m.FeatureDim() {
					t.Fatalf("%d images give %d features", n, len(got))
				}
				for i := range n {
					if e := distance(got[i*m.FeatureDim():(i+1)*m.FeatureDim()], want[rows[0]+i]); !(e <= 1e-5) {
						t.Errorf("image %d of %d: relative error %.2g", i, n, e)
					}
				}
			}
			if e := distance(want[0], want[1]); e < 1e-3 {
				t.Errorf("two images have features that differ by %.2g only", e)
			}
		})
	}
}

func runModel(t *testing.T, session *ort.DynamicAdvancedSession, pix []byte, shape []int64) []float32 {
	t.Helper()
	in, err := ort.NewTensor(shape, pix)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Destroy()
	out := []ort.Value{nil}
	if err := session.Run([]ort.Value{in}, out); err != nil {
		t.Fatal(err)
	}
	defer out[0].Destroy()
	return append([]float32(nil), out[0].(*ort.Tensor[float32]).GetData()...)
}

// distance is |x-y| / |y|.
func distance(x, y []float32) float64 {
	var d, l float64
	for i := range y {
		d += math.Pow(float64(x[i]-y[i]), 2)
		l += math.Pow(float64(y[i]), 2)
	}
	return math.Sqrt(d / l)
}

func checkMetadata(t *testing.T, path, run string, m simclr.Model) {
	t.Helper()
	meta, err := ort.GetModelMetadata(path)
	if err != nil {
		t.Fatal(err)
	}
	defer meta.Destroy()
	for key, want := range map[string]string{
		"goclr.run": filepath.Base(run), "goclr.step": "2", "goclr.encoder": m.Encoder, "goclr.width": "0.25",
		"goclr.image_size": fmt.Sprint(m.ImageSize),
	} {
		if got, ok, err := meta.LookupCustomMetadataMap(key); !ok || got != want || err != nil {
			t.Errorf("metadata %s is %q (%v), want %q", key, got, err, want)
		}
	}
	doc, err := meta.GetDescription()
	if want := fmt.Sprintf("uint8 [N,%d,%[1]d,3]", m.ImageSize); err != nil || !strings.Contains(doc, want) {
		t.Errorf("the model describes itself as %q (%v)", doc, err)
	}
	if name, err := meta.GetProducerName(); name != "goclr" || err != nil {
		t.Errorf("the producer is %q (%v)", name, err)
	}
}

func TestExportSafetensors(t *testing.T) {
	run := trainRun(t)
	got, err := safetensors.ReadFile(exportRun(t, run, "safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := safetensors.ReadFile(filepath.Join(run, "weights.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	encoder := 0
	for _, w := range want {
		g, there := got.Find(w.Name)
		if head := strings.HasPrefix(w.Name, "projection."); head == there {
			t.Errorf("%s is there: %t", w.Name, there)
		} else if !head {
			encoder++
			if distance(g.Data, w.Data) > 0 {
				t.Errorf("%s has changed", w.Name)
			}
		}
	}
	if len(got) != encoder {
		t.Errorf("%d tensors, want %d", len(got), encoder)
	}
}

// TestExportFails exports runs that are no runs: the file that was there stays.
func TestExportFails(t *testing.T) {
	run := trainRun(t)
	broken, foreign := trainRun(t), trainRun(t)
	if err := os.Truncate(filepath.Join(broken, "weights.safetensors"), 1000); err != nil {
		t.Fatal(err)
	}
	info := filepath.Join(foreign, "latest", "run.json")
	text, err := os.ReadFile(info)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(info, []byte(strings.Replace(string(text), `"width": 0.25`, `"width": 0.5`, 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "x.onnx")
	if err := os.WriteFile(out, []byte("before"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"format", []string{"-run", run, "-out", out, "-format", "torch"}, 2, "choose onnx or safetensors"},
		{"no run named", []string{"-out", out}, 2, "-run and -out are needed"},
		{"no file named", []string{"-run", run}, 2, "-run and -out are needed"},
		{"argument", []string{run}, 2, "every setting is a flag"},
		{"no folder", []string{"-run", run, "-out", "/nowhere/x.onnx"}, 2, "no folder /nowhere"},
		{"no run", []string{"-run", t.TempDir(), "-out", out}, 1, "pretrain -out"},
		{"damaged run", []string{"-run", broken, "-out", out}, 1, "cut short"},
		{"weights of another model", []string{"-run", foreign, "-out", out}, 1, `write ` + out + `: export: tensor "conv1.weight" is [16 3 3 3] in the weights and [32 3 3 3]`},
		{"the same as safetensors", []string{"-run", foreign, "-out", out, "-format", "safetensors"}, 1, `tensor "conv1.weight"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := evaluate(t, append([]string{"export"}, c.args...)...)
			if code != c.code || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "goroutine") {
				t.Errorf("exit code %d, want %d, and %q in: %s", code, c.code, c.want, stderr)
			}
		})
	}
	if text, err := os.ReadFile(out); string(text) != "before" {
		t.Errorf("the file is now %q (%v)", text, err)
	}
	if files, err := os.ReadDir(filepath.Dir(out)); err != nil || len(files) != 1 {
		t.Errorf("%v are left (%v)", files, err)
	}
}

// TestExportedModelInPython checks exported models with the official package and runs them on stock ONNX Runtime. It needs
// GOCLR_PYTHON, an interpreter with the packages of benchmarks/peers/requirements.txt.
func TestExportedModelInPython(t *testing.T) {
	python := os.Getenv("GOCLR_PYTHON")
	if python == "" {
		t.Skip("GOCLR_PYTHON names no interpreter with onnx and onnxruntime; `sh benchmarks/peers/python.sh` makes one and prints its path")
	}
	if _, err := onnx.FindLibrary(""); err != nil {
		t.Skip(err)
	}
	paper := simclr.DefaultModel()
	paper.Encoder, paper.ImageSize = "resnet50", 224
	for _, m := range append(exported(), paper) {
		t.Run(fmt.Sprintf("%s-%d", m.Encoder, m.ImageSize), func(t *testing.T) {
			run := livelyRun(t, m)
			dir := t.TempDir()
			views, features := filepath.Join(dir, "views"), filepath.Join(dir, "features.arrow")
			if err := os.WriteFile(views, evaluationViews(t, m.ImageSize, 60), 0o666); err != nil {
				t.Fatal(err)
			}
			if code, _, stderr := evaluate(t, "embed", "-run", run, "-in", data, "-out", features); code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			script := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "onnx_features.py"),
				exportRun(t, run, "onnx"), views, features)
			out, err := script.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %v\n%s", script, err, out)
			}
			t.Log(strings.TrimSpace(string(out)))
		})
	}
}
