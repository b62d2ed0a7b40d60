package main

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/onnx"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
	"github.com/goclr/goclr/stages"
)

// TestMain lets the test binary be the command.
func TestMain(m *testing.M) {
	if os.Getenv("BE_EVALUATE") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func evaluate(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "BE_EVALUATE=1")
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

const data = "synthetic:n=60"

// backend is "onnx", or where its library is missing the slow one that is always there.
func backend(t *testing.T) string {
	t.Helper()
	if _, err := onnx.FindLibrary(""); err != nil {
		t.Logf("without ONNX Runtime this tests the reference backend: %v", err)
		return "reference"
	}
	return "onnx"
}

// trainRun makes a run of a few steps of a small model.
func trainRun(t *testing.T) string {
	t.Helper()
	m := simclr.DefaultModel()
	m.Width, m.ImageSize = 0.25, 8
	return trainRunOf(t, m)
}

// trainRunOf makes a run of two steps.
func trainRunOf(t *testing.T, m simclr.Model) string {
	t.Helper()
	b, err := backends.Open(t.Context(), backend(t), backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	set, err := datasets.Open(t.Context(), data, datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	p, err := pipeline.New(set, pipeline.Options{Batch: 4, Epochs: 1},
		stages.Decode{}, pipeline.Pair(stages.SimCLR(m.ImageSize, 0.5)...))
	if err != nil {
		t.Fatal(err)
	}
	r := simclr.Run{
		Dir: t.TempDir(), MaxSteps: 2,
		Config: simclr.Config{Model: m, Optimizer: simclr.Optimizer{Name: "sgd", LearningRate: 0.5}, Epochs: 1},
	}
	if err := r.Train(t.Context(), b, p); err != nil {
		t.Fatal(err)
	}
	return r.Dir
}

func TestScores(t *testing.T) {
	run := trainRun(t)
	for _, method := range []string{"knn", "linear"} {
		args := []string{method, "-backend", backend(t), "-run", run, "-train", data, "-test", "synthetic:n=30#test"}
		code, table, stderr := evaluate(t, args...)
		if code != 0 {
			t.Fatalf("%s: exit code %d: %s", method, code, stderr)
		}
		for _, want := range []string{"60 training and 30 test images", "encoder after 2 steps", "untrained", "pixels, each image centred"} {
			if !strings.Contains(table, want) {
				t.Errorf("%s: no %q in the table:\n%s", method, want, table)
			}
		}
		code, out, stderr := evaluate(t, append(args, "-json")...)
		if code != 0 {
			t.Fatalf("%s: exit code %d: %s", method, code, stderr)
		}
		var r result
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%s: %v in %s", method, err, out)
		}
		if r.Method != method || r.Step != 2 || r.Train != 60 || r.Test != 30 {
			t.Errorf("%s: %+v", method, r)
		}
		for name, v := range map[string]float64{"trained": r.Trained, "untrained": r.Untrained, "pixels": r.Pixels} {
			if v < 0 || v > 1 {
				t.Errorf("%s: %s accuracy %v", method, name, v)
			}
		}
		if r.Trained == r.Untrained && r.Untrained == r.Pixels {
			t.Errorf("%s: all three accuracies are %v", method, r.Pixels)
		}
	}
}

// TestScoreOnAnotherBackend measures a run that onnx trained, on onnx and on gorgonia.
func TestScoreOnAnotherBackend(t *testing.T) {
	trained := backend(t)
	if trained != "onnx" {
		t.Skip("there is no run to score")
	}
	m := simclr.DefaultModel()
	m.Width = 0.25
	run := trainRunOf(t, m)
	score := func(backend string) result {
		code, out, stderr := evaluate(t, "knn", "-backend", backend, "-run", run, "-train", "synthetic:n=400", "-test", "synthetic:n=200#test", "-json")
		if code != 0 {
			t.Fatalf("%s: exit code %d: %s", backend, code, stderr)
		}
		var r result
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%s: %v in %s", backend, err, out)
		}
		return r
	}
	got, want := score("gorgonia"), score(trained)
	for name, off := range map[string]float64{"trained": got.Trained - want.Trained, "untrained": got.Untrained - want.Untrained} {
		if math.Abs(off) > 0.01 {
			t.Errorf("%s: the accuracy on gorgonia is off by %v: %+v, want %+v", name, off, got, want)
		}
	}
	t.Logf("accuracies are %+v on gorgonia and %+v on onnx", got, want)
}

func TestEmbed(t *testing.T) {
	run := trainRun(t)
	out := filepath.Join(t.TempDir(), "x.arrow")
	if code, _, stderr := evaluate(t, "embed", "-backend", backend(t), "-run", run, "-in", data, "-out", out); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := ipc.NewFileReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	record, err := r.Record(0)
	if err != nil {
		t.Fatal(err)
	}
	if record.NumRows() != 60 {
		t.Fatalf("%d rows", record.NumRows())
	}
	set, err := datasets.Open(t.Context(), data, datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	b, err := backends.Open(t.Context(), backend(t), backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	encoder, err := simclr.OpenEncoder(t.Context(), b, run)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	for _, i := range []int{0, 17, 59} {
		s := pipeline.NewSample(t.Context(), pipeline.Key{})
		if err := set.Read(t.Context(), i, s); err != nil {
			t.Fatal(err)
		}
		want, err := encoder.Embed(t.Context(), s.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list := record.Column(2).(*array.FixedSizeList)
		from, to := list.ValueOffsets(i)
		got := list.ListValues().(*array.Float32).Float32Values()[from:to]
		if int(to-from) != encoder.Model().FeatureDim() {
			t.Fatalf("%d features", to-from)
		}
		for j := range got {
			if got[j] != want[0][j] {
				t.Fatalf("image %d: feature %d is %v in the file, %v from Embed", i, j, got[j], want[0][j])
			}
		}
		if id := record.Column(0).(*array.Uint64).Value(i); id != uint64(i) {
			t.Errorf("row %d has id %d", i, id)
		}
		if label := record.Column(1).(*array.Int32).Value(i); label != s.Label {
			t.Errorf("row %d has label %d, want %d", i, label, s.Label)
		}
	}
}

func TestBadInput(t *testing.T) {
	run := trainRun(t)
	knn := []string{"knn", "-backend", backend(t), "-run", run, "-train", data}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing", nil, 2, "knn, linear, finetune, embed or export"},
		{"unknown command", []string{"kn"}, 2, "did you mean knn"},
		{"unknown flag", append(knn, "-tset", "x"), 2, "-test"},
		{"no test", knn, 2, "-train and -test are needed"},
		{"missing data", append(knn, "-test", "nowhere"), 1, "nowhere"},
		{"unknown device", append(knn, "-test", data, "-device", "tpu"), 1, "cpu"},
		{"provider of another backend", append(knn, "-test", data, "-backend", "gorgonia", "-provider", "OpenVINO"), 1, "use backend onnx"},
		{"library of another backend", append(knn, "-test", data, "-backend", "gorgonia", "-onnxruntime", "x.so"), 1, "x.so would be the library of ONNX Runtime"},
		{"provider option", append(knn, "-test", data, "-provider-option", "use_tf32"), 2, "-provider-option: want key=value"},
		{"no run", []string{"knn", "-run", t.TempDir(), "-train", data, "-test", data}, 1, "pretrain -out"},
		{"other classes", append(knn, "-test", classFolder(t)), 1, "different classes"},
		{"no folder", []string{"embed", "-backend", backend(t), "-run", run, "-in", data, "-out", "/nowhere/x.arrow"}, 2, "no folder /nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := evaluate(t, c.args...)
			if code != c.code || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "goroutine") {
				t.Errorf("exit code %d, want %d, and %q in: %s", code, c.code, c.want, stderr)
			}
		})
	}
}

// firstImage is the file of the first image of data.
func firstImage(t *testing.T) []byte {
	t.Helper()
	set, err := datasets.Open(t.Context(), data, datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	if err := set.Read(t.Context(), 0, s); err != nil {
		t.Fatal(err)
	}
	return s.Bytes
}

// classFolder returns a data set of classes of its own.
func classFolder(t *testing.T) string {
	t.Helper()
	image := firstImage(t)
	dir := t.TempDir()
	for _, class := range []string{"cat", "dog"} {
		if err := os.MkdirAll(filepath.Join(dir, class), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, class, "a.jpg"), image, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
