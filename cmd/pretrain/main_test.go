package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/onnx"
	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
)

// TestMain lets the test binary be the command: what a user does to a process, a test can do to it.
func TestMain(m *testing.M) {
	if os.Getenv("BE_PRETRAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func command(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "BE_PRETRAIN=1")
	return c
}

// pretrain runs the command to its end and returns its exit code and what it said.
func pretrain(t *testing.T, args ...string) (int, string) {
	t.Helper()
	c := command(args...)
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

// small are the flags of a run that takes a second or two.
func small(t *testing.T, dir string, more ...string) []string {
	t.Helper()
	backend := "onnx"
	if _, err := onnx.FindLibrary(""); err != nil {
		t.Logf("without ONNX Runtime this tests the reference backend: %v", err)
		backend = "reference"
	}
	return append([]string{
		"-backend", backend, "-out", dir, "-data", "synthetic:n=64", "-image-size", "8", "-batch", "4", "-epochs", "2",
		"-max-steps", "24", "-checkpoint-every", "3", "-optimizer", "lars", "-lr", "1",
	}, more...)
}

func weightsDigest(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "weights.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestEvaluatesWhileTraining(t *testing.T) {
	dir := t.TempDir()
	code, out := pretrain(t, small(t, dir, "-eval-every", "1", "-eval-limit", "40", "-max-steps", "0")...)
	if code != 0 || strings.Count(out, "kNN") != 3 {
		t.Errorf("exit code %d, want three evaluations: %s", code, out)
	}
	records, err := simclr.ReadMetrics(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if k, ok := r.Evaluation["kNN"]; ok && (k <= 0 || k > 1) {
			t.Errorf("kNN accuracy %v after step %d", k, r.Step)
		}
	}
}

// TestVariants takes a few steps with each of the settings that no other test changes, and resumes each by -out alone.
func TestVariants(t *testing.T) {
	for _, flags := range []string{
		"-normalize imagenet -head none", "-normalize cifar10 -head linear", "-normalize 0,0.5,1,0.1,0.2,0.3 -head-layers 3",
		"-max-bad 0 -keep 1", "-encoder resnet34 -optimizer sgd", "-encoder resnet50 -batch 2", "-image-size 72 -strength 2",
		"-augment simclr-v1 -tune=false", "-batch 12 -chunk 4", "-augment simclr-v2 -image-size 72",
		"-optimizer adam -loss nt-logistic -zero-init=false", "-optimizer sgd -nesterov -loss triplet -semi-hard",
		"-loss nt-logistic -semi-hard -head-layers 1", "-loss triplet -margin 0.4",
	} {
		t.Run(flags, func(t *testing.T) {
			dir := t.TempDir()
			code, out := pretrain(t, append(small(t, dir, "-max-steps", "2"), strings.Fields(flags)...)...)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, out)
			}
			code, out = pretrain(t, "-resume", "-out", dir, "-max-steps", "3")
			if c, err := simclr.ReadCheckpoint(dir); code != 0 || err != nil || c.Step != 3 {
				t.Errorf("resumed with exit code %d to %+v (%v): %s", code, c, err, out)
			}
		})
	}
}

// TestDefaultsFollowOtherFlags reads the configuration of command lines.
func TestDefaultsFollowOtherFlags(t *testing.T) {
	for _, c := range []struct {
		flags               string
		rate, decay, margin float64
		onesInit            bool
	}{
		{"-batch 256", 0.4, 1e-4, 0, false},
		{"-batch 256 -optimizer lars", 0.3, 1e-6, 0, false},
		{"-batch 256 -optimizer adam", 5e-4, 1e-6, 0, false},
		{"-batch 256 -optimizer adam -lr 1 -weight-decay 0 -zero-init=false", 1, 0, 0, true},
		{"-batch 128 -loss triplet", 0.2, 1e-4, 0.8, false},
		{"-batch 128 -loss triplet -margin 0", 0.2, 1e-4, 0, false},
	} {
		s := newSettings()
		if err := s.parse(strings.Fields(c.flags)); err != nil {
			t.Fatal(err)
		}
		config, err := s.config()
		if err != nil {
			t.Fatal(err)
		}
		o, m := config.Optimizer, config.Model
		if o.LearningRate != c.rate || o.WeightDecay != c.decay || m.Margin != c.margin || m.OnesInit != c.onesInit {
			t.Errorf("%s: rate %g, decay %g, margin %g, ones init %t; want %g, %g, %g, %t", c.flags,
				o.LearningRate, o.WeightDecay, m.Margin, m.OnesInit, c.rate, c.decay, c.margin, c.onesInit)
		}
	}
}

// TestProgressFitsATerminal wants the widest line that a long run shows within 80 columns.
func TestProgressFitsATerminal(t *testing.T) {
	var b bytes.Buffer
	s := newSettings()
	loss, accuracy, rate, wait := float32(12.3456), float32(0.987), float32(0.000123), 0.99
	q, err := datasets.OpenQuarantine(filepath.Join(t.TempDir(), datasets.QuarantineName))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for bad, wanted := range map[int][]string{
		0:     {"step 23456/123456", "loss 12.35", "acc 99%", "lr 0.00012", "img/s", "wait 99%", "left"},
		12345: {"step 23456/123456", "loss 12.35", "acc 99%", "img/s", "wait 99%", "left", "12345 bad"},
	} {
		b.Reset()
		for id := range bad {
			if _, err := q.Add(datasets.BadImage{ID: uint64(id)}); err != nil {
				t.Fatal(err)
			}
		}
		p := &progress{line: cli.NewLine(&b), settings: s, bad: &badImages{file: q}, end: 123456, first: -1}
		p.show(simclr.Record{Step: 23456, Loss: &loss, Accuracy: &accuracy, LearningRate: &rate, Images: 1234.5, Wait: &wait})
		line := strings.TrimSpace(b.String())
		for _, want := range wanted {
			if bad == q.Len() && !strings.Contains(line, want) {
				t.Errorf("no %q in %q", want, line)
			}
		}
		if len(line) > 79 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}

func TestBadImages(t *testing.T) {
	images := t.TempDir()
	for i := range 12 {
		if err := os.WriteFile(filepath.Join(images, fmt.Sprintf("%d.jpg", i)), grey(t), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(images, "bad.jpg"), []byte("text"), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	flags := func(dir string, more ...string) []string {
		return small(t, dir, append([]string{"-data", images, "-epochs", "6"}, more...)...)
	}
	code, out := pretrain(t, flags(dir, "-max-steps", "9")...)
	if code != 0 || strings.Count(out, "bad image replaced") != 1 || !strings.Contains(out, "bad.jpg") ||
		!strings.Contains(out, " 1 bad") || !strings.Contains(out, "ingest look "+dir) {
		t.Errorf("exit code %d, want the bad image named once in three epochs and the run go on: %s", code, out)
	}
	if code, out = pretrain(t, "-resume", "-out", dir, "-max-steps", "18"); code != 0 || strings.Contains(out, "bad image replaced") ||
		!strings.Contains(out, " 1 bad") {
		t.Errorf("exit code %d, want the run go on with its bad image: %s", code, out)
	}
	for bad, err := range datasets.ReadQuarantine(dir) {
		if err != nil || bad.Key != "bad.jpg" || bad.Stage != datasets.StageDecode || string(bad.Bytes) != "text" ||
			!strings.Contains(bad.Reason, "not a JPEG") {
			t.Errorf("the quarantine holds %+v, or %v", bad, err)
		}
	}
	for _, name := range []string{"weights.safetensors", "latest", "metrics.jsonl", "checkpoints"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if code, out = pretrain(t, flags(dir)...); code != 1 || !strings.Contains(out, "another run") {
		t.Errorf("exit code %d with the bad images of another run: %s", code, out)
	}

	dir = t.TempDir()
	code, out = pretrain(t, flags(dir, "-max-bad", "0")...)
	if code != 1 || !strings.Contains(out, "more than -max-bad allows") || !strings.Contains(out, "run ingest") {
		t.Errorf("exit code %d with -max-bad 0: %s", code, out)
	}
	for _, err := range datasets.ReadQuarantine(dir) {
		if err != nil {
			t.Error(err)
		}
	}
}

// TestWindow wants the window in the plan of a run, which a resumed one takes over and cannot change.
func TestWindow(t *testing.T) {
	dir := t.TempDir()
	if code, out := pretrain(t, small(t, dir, "-window", "32", "-max-steps", "3")...); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	if code, out := pretrain(t, "-resume", "-out", dir, "-max-steps", "6"); code != 0 {
		t.Errorf("resumed: exit code %d: %s", code, out)
	}
	c, err := simclr.ReadCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	if c.Step != 6 || c.Plan.Window != 32 {
		t.Errorf("step %d with window %d, want 6 and 32", c.Step, c.Plan.Window)
	}
	if code, out := pretrain(t, "-resume", "-out", dir, "-window", "0"); code != 1 || !strings.Contains(out, "window is all images, was 32 images") {
		t.Errorf("resumed without the window: exit code %d: %s", code, out)
	}
}

// TestShards trains on shards as ingest writes them, on such with a flipped byte, and on such of a later version.
func TestShards(t *testing.T) {
	src, err := datasets.Open(t.Context(), "synthetic:n=20", datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	shards := filepath.Join(t.TempDir(), "shards")
	check := func([]byte) (int, int, error) { return 32, 32, nil }
	if _, err := datasets.Ingest(t.Context(), src, shards, datasets.IngestOptions{Check: check}); err != nil {
		t.Fatal(err)
	}
	run := func() (int, string) {
		return pretrain(t, small(t, t.TempDir(), "-data", shards, "-epochs", "1", "-max-steps", "5")...)
	}
	if code, out := run(); code != 0 || strings.Contains(out, "bad image") {
		t.Fatalf("exit code %d: %s", code, out)
	}
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	if err := src.Read(t.Context(), 7, s); err != nil {
		t.Fatal(err)
	}
	shard := filepath.Join(shards, "shard-00000.arrow")
	data, err := os.ReadFile(shard)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, s.Bytes)
	if at < 0 {
		t.Fatal("image 7 is not in the shard")
	}
	data[at+len(s.Bytes)/2] ^= 1
	if err := os.WriteFile(shard, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if code, out := run(); code != 0 || !strings.Contains(out, "bad image replaced") || !strings.Contains(out, "ingest verify") {
		t.Errorf("with a flipped byte: exit code %d: %s", code, out)
	}
	manifest := filepath.Join(shards, "manifest.json")
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(text), "\"version\": 2", "\"version\": 3", 1)
	if newer == string(text) {
		t.Fatalf("no version in %s", text)
	}
	if err := os.WriteFile(manifest, []byte(newer), 0o666); err != nil {
		t.Fatal(err)
	}
	if code, out := run(); code != 1 || !strings.Contains(out, "version 3") {
		t.Errorf("with a later version: exit code %d: %s", code, out)
	}
}

// TestOtherProvider resumes a run on the execution provider that it was started on, and watches its operators.
func TestOtherProvider(t *testing.T) {
	if _, err := onnx.FindLibrary(""); err != nil {
		t.Skip(err)
	}
	dir, profile := t.TempDir(), filepath.Join(t.TempDir(), "steps.json")
	if code, out := pretrain(t, small(t, dir, "-max-steps", "1", "-provider", "CPU", "-spin", "-profile-ops", profile)...); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	table, err := os.ReadFile(profile + ".txt")
	if err != nil || !strings.Contains(string(table), "1 steps, ") {
		t.Errorf("the operators are %q (%v)", table, err)
	}
	if err := os.Remove(profile); err != nil {
		t.Error(err)
	}
	if code, out := pretrain(t, "-resume", "-out", dir, "-max-steps", "2"); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	if _, err := os.Stat(profile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("how a run was watched has been taken over (%v)", err)
	}
	c, err := simclr.ReadCheckpoint(dir)
	if err != nil || c.Step != 2 || c.Backend.Provider != "CPU" || c.Settings["spin"] != "true" {
		t.Errorf("checkpoint %+v (%v)", c, err)
	}
}

// TestMoveIsTold resumes a run on another number of threads and then on the same: only the move may cost last bits, and is told.
func TestMoveIsTold(t *testing.T) {
	dir := t.TempDir()
	const told = "until now the run was computed by"
	for i, c := range []struct {
		threads string
		want    bool
	}{{"2", false}, {"1", true}, {"1", false}} {
		args := small(t, dir, "-max-steps", strconv.Itoa(i+1), "-threads", c.threads)
		if i > 0 {
			args = append(args, "-resume")
		}
		code, out := pretrain(t, args...)
		if code != 0 || strings.Contains(out, told) != c.want {
			t.Errorf("run %d on %s threads: exit code %d, told %t, want %t: %s", i, c.threads, code, !c.want, c.want, out)
		}
	}
}

// TestForeignWeights resumes with a weights file that another model left in the checkpoint.
func TestForeignWeights(t *testing.T) {
	mine, other := t.TempDir(), t.TempDir()
	for dir, head := range map[string]string{mine: "linear", other: "none"} {
		if code, out := pretrain(t, small(t, dir, "-max-steps", "1", "-head", head)...); code != 0 {
			t.Fatalf("exit code %d: %s", code, out)
		}
	}
	data, err := os.ReadFile(filepath.Join(other, "weights.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mine, "weights.safetensors"), data, 0o666); err != nil {
		t.Fatal(err)
	}
	code, out := pretrain(t, "-resume", "-out", mine, "-max-steps", "2")
	if code != 1 || !strings.Contains(out, "another model") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if c, err := simclr.ReadCheckpoint(mine); err != nil || c.Step != 1 {
		t.Errorf("the checkpoint is now %+v (%v)", c, err)
	}
}

func grey(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 20, 20)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBadInput(t *testing.T) {
	done, other, flat := t.TempDir(), t.TempDir(), t.TempDir()
	if code, out := pretrain(t, small(t, done, "-max-steps", "1")...); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	for _, name := range []string{"a.jpg", "b.jpg", "c.jpg", "d.jpg"} {
		if err := os.WriteFile(filepath.Join(flat, name), grey(t), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"unknown flag", []string{"-epoch", "3"}, 2, "-epochs"},
		{"argument", []string{"train.tar"}, 2, "every setting is a flag"},
		{"missing data", small(t, other, "-data", "nowhere/at-all"), 1, "nowhere/at-all"},
		{"empty data", small(t, other, "-data", t.TempDir()), 1, "no images"},
		{"unknown encoder", small(t, other, "-encoder", "resnet20"), 2, "resnet18, resnet34, resnet50"},
		{"unknown loss", small(t, other, "-loss", "nt-logit"), 2, "nt-xent, nt-logistic, triplet"},
		{"margin of another loss", small(t, other, "-margin", "0.5"), 2, "only triplet has a margin"},
		{"semi-hard NT-Xent", small(t, other, "-semi-hard"), 2, "choose nt-logistic or triplet"},
		{"nesterov with lars", small(t, other, "-nesterov"), 2, "only sgd has it"},
		{"other loss", []string{"-resume", "-out", done, "-loss", "nt-logistic"}, 1, "loss nt-logistic instead of nt-xent"},
		{"unknown backend", small(t, other, "-backend", "torch"), 1, "onnx, reference"},
		{"unknown device", small(t, other, "-device", "tpu"), 1, "cpu"},
		{"any order", small(t, other, "-deterministic=false"), 1, "say -deterministic"},
		{"any order, float64", small(t, other, "-backend", "reference", "-deterministic=false"), 1, "say -deterministic"},
		{"option of no provider", small(t, other, "-provider-option", "use_tf32=0"), 1, "provider"},
		{"provider option", small(t, other, "-provider-option", "use_tf32"), 2, "-provider-option: want key=value"},
		{"batch larger than the data", small(t, other, "-batch", "65"), 2, "at most 64"},
		{"batch of one", small(t, other, "-batch", "1"), 2, "at least 2"},
		{"chunk that does not divide", small(t, other, "-chunk", "3"), 2, "-chunk 3: it must divide -batch 4"},
		{"chunks of another loss", small(t, other, "-chunk", "2", "-loss", "triplet"), 2, "only nt-xent is computed over chunks"},
		{"chunk of one", small(t, other, "-chunk", "1"), 2, "at least 2"},
		{"other chunk", []string{"-resume", "-out", done, "-chunk", "2"}, 1, "chunk 2 instead of 0"},
		{"normalize", small(t, other, "-normalize", "0,0,0,1,1"), 2, "six numbers"},
		{"run exists", small(t, done), 1, "resume it, or choose another directory"},
		{"other model", []string{"-resume", "-out", done, "-width", "0.5"}, 1, "width 0.5 instead of 0.25"},
		{"other data", []string{"-resume", "-out", done, "-data", "synthetic:n=65"}, 1, "other batches: source"},
		{"other colours", []string{"-resume", "-out", done, "-strength", "1"}, 1, "ColorJitter"},
		{"resume what", []string{"-resume"}, 2, "-resume needs -out"},
		{"resume nothing", []string{"-resume", "-out", other}, 1, "no checkpoint"},
		{"strength", small(t, other, "-strength", "9"), 2, "-strength 9: the strength of the colour jitter is 9: want 0 to 2.5"},
		{"preset", small(t, other, "-augment", "simclr"), 2, "want torchvision, simclr-v1 or simclr-v2"},
		{"preset and strength", small(t, other, "-augment", "simclr-v1", "-strength", "1.5"), 2, "want 0 to 1.25"},
		{"other preset", []string{"-resume", "-out", done, "-augment", "simclr-v2"}, 1, "RandomResizedCrop"},
		{"looks synthetic", small(t, other, "-data", "synthetic-photos"), 1, "no such file"},
		{"first weights", small(t, other, "-init", "nowhere.safetensors"), 1, "-init: stat nowhere.safetensors"},
		{"first weights of another width", small(t, other, "-init", done, "-width", "1"), 1, "choose width 0.25 (flags -encoder, -width and"},
		{"evaluate on what", small(t, other, "-data", flat, "-eval-every", "1"), 2, "-eval-test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out := pretrain(t, c.args...)
			if code != c.code || !strings.Contains(out, c.want) || strings.Contains(out, "goroutine") {
				t.Errorf("exit code %d, want %d, and %q in: %s", code, c.code, c.want, out)
			}
		})
	}
	if left, err := os.ReadDir(other); err != nil || len(left) > 0 {
		t.Errorf("refused runs leave %v (%v)", left, err)
	}
}
