package simclr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// digest is the SHA-256 of a run's weights and momentum.
func digest(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	for _, name := range []string{weightsFile, momentumFile} {
		data, err := os.ReadFile(filepath.Join(dir, latestLink, name))
		if err != nil {
			t.Fatal(err)
		}
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func train(t *testing.T, r Run) error {
	t.Helper()
	return r.Train(t.Context(), &fakeBackend{}, testPipeline(t, 2))
}

func uninterrupted(t *testing.T) string {
	t.Helper()
	r := Run{Dir: t.TempDir(), Config: testConfig()}
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	return digest(t, r.Dir)
}

func TestResumeAtEveryStepRepeatsTheBits(t *testing.T) {
	want := uninterrupted(t)
	for stop := range 15 {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		r := Run{Dir: dir, Config: testConfig(), CheckpointEvery: 4}
		r.Observe = func(rec Record) {
			if rec.Step == stop+1 {
				cancel()
			}
		}
		err := r.Train(ctx, &fakeBackend{}, testPipeline(t, 2))
		cancel()
		if stop+1 < 15 && !errors.Is(err, ErrStopped) {
			t.Fatalf("stopped after step %d: error %v", stop+1, err)
		}
		r.Observe, r.Resume = nil, true
		b := &fakeBackend{}
		if err := r.Train(t.Context(), b, testPipeline(t, 1)); err != nil {
			t.Fatal(err)
		}
		if b.steps != 15-stop-1 {
			t.Errorf("stopped after step %d, it took %d steps more", stop+1, b.steps)
		}
		if got := digest(t, dir); got != want {
			t.Errorf("stopped after step %d, the weights end as %s, want %s", stop+1, got, want)
		}
		checkMetrics(t, dir, 15)
	}
}

// TestKilledRunGoesOn resumes from what a process leaves that dies at any moment: an older checkpoint, a half-written one,
// and metrics of steps that are lost.
func TestKilledRunGoesOn(t *testing.T) {
	want := uninterrupted(t)
	dir := t.TempDir()
	r := Run{Dir: dir, Config: testConfig(), CheckpointEvery: 3, MaxSteps: 7, Keep: 10}
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	// The checkpoint of step 7 was being written when the process died.
	if err := os.Remove(filepath.Join(dir, latestLink)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(checkpointsDir, "step-6"), filepath.Join(dir, latestLink)); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, checkpointsDir, ".step-7-123")
	if err := os.Rename(filepath.Join(dir, checkpointsDir, "step-7"), half); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(half, weightsFile), 100); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, metricsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"step":8,"los`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r.Resume, r.MaxSteps = true, 0
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	if got := digest(t, dir); got != want {
		t.Errorf("weights %s, want %s", got, want)
	}
	checkMetrics(t, dir, 15)
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-written checkpoint is still there: %v", err)
	}
}

// TestAdamResumes: all that Adam carries is in the checkpoint, and none of it among the weights.
func TestAdamResumes(t *testing.T) {
	config := testConfig()
	config.Optimizer.Name = "adam"
	whole, stopped := Run{Dir: t.TempDir(), Config: config}, Run{Dir: t.TempDir(), Config: config, MaxSteps: 7}
	for _, r := range []Run{whole, stopped} {
		if err := train(t, r); err != nil {
			t.Fatal(err)
		}
	}
	stopped.MaxSteps, stopped.Resume = 0, true
	if err := train(t, stopped); err != nil {
		t.Fatal(err)
	}
	if got, want := digest(t, stopped.Dir), digest(t, whole.Dir); got != want {
		t.Errorf("resumed, the weights end as %s, want %s", got, want)
	}
	c, err := ReadCheckpoint(whole.Dir)
	if err != nil {
		t.Fatal(err)
	}
	weights, err := c.Weights()
	if err != nil {
		t.Fatal(err)
	}
	carried, err := c.momentum()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"momentum/conv1.weight", "square/conv1.weight", "optimizer/step"} {
		_, among := weights.Find(name)
		if _, ok := carried.Find(name); !ok || among {
			t.Errorf("%s is in %s: %t, in %s: %t", name, momentumFile, ok, weightsFile, among)
		}
	}
}

// TestRunsFromBeforeOtherLosses go on as what they are: with NT-Xent.
func TestRunsFromBeforeOtherLosses(t *testing.T) {
	r := Run{Dir: t.TempDir(), Config: testConfig(), MaxSteps: 7}
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(r.Dir, latestLink, infoFile), `"loss": "nt-xent",`, "")
	r.MaxSteps, r.Resume = 0, true
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	if got, want := digest(t, r.Dir), uninterrupted(t); got != want {
		t.Errorf("resumed, the weights end as %s, want %s", got, want)
	}
}

// checkMetrics wants one line for each step.
func checkMetrics(t *testing.T, dir string, steps int) {
	t.Helper()
	records, err := ReadMetrics(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, r := range records {
		if r.Loss != nil {
			got = append(got, r.Step)
		}
	}
	for i := range steps {
		if i >= len(got) || got[i] != i+1 || len(got) != steps {
			t.Fatalf("metrics of steps %v, want 1 to %d", got, steps)
		}
	}
}

// TestGoingBack resumes from an earlier checkpoint, as a user does whose latest one is damaged.
func TestGoingBack(t *testing.T) {
	want := uninterrupted(t)
	r := Run{Dir: t.TempDir(), Config: testConfig(), CheckpointEvery: 3, MaxSteps: 9, Keep: 2}
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	latest := filepath.Join(r.Dir, latestLink)
	if err := os.Truncate(filepath.Join(latest, weightsFile), 100); err != nil {
		t.Fatal(err)
	}
	r.Resume, r.MaxSteps = true, 7
	advice := "ln -sfn checkpoints/step-N " + latest
	if err := train(t, r); err == nil || !strings.Contains(err.Error(), advice) {
		t.Fatalf("error %v, want the advice %q", err, advice)
	}
	for _, step := range []string{"step-5", "step-6"} {
		if err := os.Remove(latest); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(checkpointsDir, step), latest); err != nil {
			t.Fatal(err)
		}
		err := train(t, r)
		if step == "step-5" && (err == nil || !strings.Contains(err.Error(), "there are those of steps [6 9]")) {
			t.Fatalf("with a link to nothing the error is %v", err)
		}
		if step == "step-6" && err != nil {
			t.Fatal(err)
		}
	}
	if steps, err := checkpointSteps(r.Dir); err != nil || !slices.Equal(steps, []int{6, 7}) {
		t.Errorf("checkpoints of steps %v (%v), want 6 and 7: the damaged one was made later", steps, err)
	}
	r.MaxSteps = 0
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	if got := digest(t, r.Dir); got != want {
		t.Errorf("weights %s, want %s", got, want)
	}
}

// TestErrorsSaveTheSteps ends a run by what is not its own fault.
func TestErrorsSaveTheSteps(t *testing.T) {
	failure := errors.New("the labels are gone")
	r := Run{Dir: t.TempDir(), Config: testConfig(), EvaluateEvery: 4, CheckpointEvery: 1000}
	r.Evaluate = func(context.Context, *Encoder) (map[string]float64, error) {
		if c, err := ReadCheckpoint(r.Dir); err != nil || c.Step != 0 {
			t.Errorf("while running, the checkpoint is %+v (%v), want that of step 0", c, err)
		}
		if records, err := ReadMetrics(r.Dir); err == nil && len(records) > 5 {
			return nil, failure
		}
		return map[string]float64{"kNN": 1}, nil
	}
	err := train(t, r)
	if !errors.Is(err, failure) || !strings.Contains(err.Error(), "the run is saved after step 8 of 15") {
		t.Fatalf("error %v", err)
	}
	r.Resume = true
	r.Evaluate = func(context.Context, *Encoder) (map[string]float64, error) { return map[string]float64{"kNN": 1}, nil }
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	if err := train(t, r); err != nil { // does nothing
		t.Fatal(err)
	}
	records, err := ReadMetrics(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var evaluated []int
	for _, rec := range records {
		if rec.Evaluation != nil {
			evaluated = append(evaluated, rec.Step)
		}
	}
	if want := []int{0, 4, 8, 12, 15}; !slices.Equal(evaluated, want) {
		t.Errorf("evaluated after steps %v, want %v: none left out, none twice", evaluated, want)
	}
}

// TestBeforeCheckpoint: what is put on disk there is on disk before any checkpoint that counts on it.
func TestBeforeCheckpoint(t *testing.T) {
	r := Run{Dir: t.TempDir(), Config: testConfig(), CheckpointEvery: 4}
	step := 0
	r.Observe = func(rec Record) { step = rec.Step }
	var steps []int
	var failure error
	r.BeforeCheckpoint = func() error {
		if c, err := ReadCheckpoint(r.Dir); step > 0 && (err != nil || c.Step >= step) {
			t.Errorf("before the checkpoint of step %d there is %+v (%v)", step, c, err)
		}
		steps = append(steps, step)
		if step == 12 {
			return failure
		}
		return nil
	}
	failure = errors.New("the disk is gone")
	if err := train(t, r); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
	if c, err := ReadCheckpoint(r.Dir); err != nil || c.Step != 8 {
		t.Errorf("after the error the checkpoint is %+v (%v), want that of step 8", c, err)
	}
	failure, r.Resume = nil, true
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	if want := []int{0, 4, 8, 12, 12, 15}; !slices.Equal(steps, want) {
		t.Errorf("told before the checkpoints of %v, want %v", steps, want)
	}
}

func TestOneProcessARun(t *testing.T) {
	r := Run{Dir: t.TempDir(), Config: testConfig()}
	r.Observe = func(rec Record) {
		if rec.Step != 3 {
			return
		}
		second := r
		second.Resume, second.Observe = true, nil
		if err := train(t, second); err == nil || !strings.Contains(err.Error(), "another process is training this run") {
			t.Errorf("a second run at the same time: error %v", err)
		}
	}
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
}

func TestCheckpointsAreKeptAndLinked(t *testing.T) {
	r := Run{Dir: t.TempDir(), Config: testConfig(), CheckpointEvery: 2, Keep: 3}
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	steps, err := checkpointSteps(r.Dir)
	if err != nil || !slices.Equal(steps, []int{12, 14, 15}) {
		t.Errorf("checkpoints of steps %v (%v), want 12, 14, 15", steps, err)
	}
	c, err := ReadCheckpoint(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if c.Step != 15 || c.Steps != 15 || c.Config != r.Config || c.PlanHash != testPipeline(t, 1).Plan().Hash() || c.Backend.Backend != "fake" {
		t.Errorf("checkpoint %+v", c)
	}
	linked, err := os.ReadFile(filepath.Join(r.Dir, weightsFile))
	if err != nil {
		t.Fatal(err)
	}
	last, err := os.ReadFile(filepath.Join(r.Dir, checkpointsDir, "step-15", weightsFile))
	if err != nil || string(linked) != string(last) {
		t.Errorf("%s is not that of the last step (%v)", weightsFile, err)
	}
}

func TestEvaluations(t *testing.T) {
	r := Run{Dir: t.TempDir(), Config: testConfig(), EvaluateEvery: 5}
	calls := 0
	r.Evaluate = func(context.Context, *Encoder) (map[string]float64, error) {
		calls++
		return map[string]float64{"kNN": float64(calls)}, nil
	}
	if err := train(t, r); err != nil {
		t.Fatal(err)
	}
	records, err := ReadMetrics(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, rec := range records {
		if rec.Evaluation != nil {
			got = append(got, fmt.Sprint(rec.Step, rec.Evaluation["kNN"]))
		}
	}
	if want := []string{"0 1", "5 2", "10 3", "15 4"}; !slices.Equal(got, want) {
		t.Errorf("evaluations %q, want %q", got, want)
	}
}

func TestSickRunsStop(t *testing.T) {
	healthy := backends.Metrics{Loss: 5, Accuracy: 0.1, Spread: 1}
	after := func(step int, sick backends.Metrics) func(int) backends.Metrics {
		return func(n int) backends.Metrics {
			if n > step {
				return sick
			}
			return healthy
		}
	}
	for _, c := range []struct {
		name    string
		backend *fakeBackend
		epochs  int
		want    string
		kept    int // step of the last good checkpoint
	}{
		{"NaN loss", &fakeBackend{metrics: after(7, backends.Metrics{Loss: float32(math.NaN()), Spread: 1})}, 3, "step 8: the loss is NaN", 5},
		{"infinite loss", &fakeBackend{metrics: after(7, backends.Metrics{Loss: float32(math.Inf(1)), Spread: 1})}, 3, "step 8: the loss is +Inf", 5},
		{"NaN weight", &fakeBackend{spoil: 8}, 3, "is no longer finite", 5},
		{"collapse", &fakeBackend{metrics: after(3, backends.Metrics{Loss: 5, Spread: 0.001})}, 30, "collapsed", 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Run{Dir: t.TempDir(), Config: testConfig()}
			r.Epochs = c.epochs
			p := testPipelineOf(t, c.epochs)
			err := r.Train(t.Context(), c.backend, p)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "last good checkpoint") {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			last, err := ReadCheckpoint(r.Dir)
			if err != nil || last.Step != c.kept {
				t.Errorf("the last checkpoint is %+v (%v), want step %d", last, err, c.kept)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	done := t.TempDir()
	if err := train(t, Run{Dir: done, Config: testConfig(), MaxSteps: 3}); err != nil {
		t.Fatal(err)
	}
	newer := t.TempDir()
	if err := train(t, Run{Dir: newer, Config: testConfig(), MaxSteps: 1}); err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(newer, latestLink, infoFile), `"format": 1`, `"format": 2`)
	broken := t.TempDir()
	if err := train(t, Run{Dir: broken, Config: testConfig(), MaxSteps: 1}); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(broken, latestLink, weightsFile), 5000); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*Config)) Config {
		c := testConfig()
		change(&c)
		return c
	}
	for _, c := range []struct {
		name string
		run  Run
		want string
	}{
		{"a checkpoint", Run{Dir: filepath.Join(done, latestLink), Resume: true, Config: testConfig()}, "is a checkpoint: name the directory of its run"},
		{"directory in use", Run{Dir: done, Config: testConfig()}, "resume it, or choose another directory"},
		{"another model", Run{Dir: done, Resume: true, Config: with(func(c *Config) { c.Model.Encoder = "resnet34" })}, "encoder resnet34 instead of resnet18"},
		{"another rate", Run{Dir: done, Resume: true, Config: with(func(c *Config) { c.Optimizer.LearningRate = 1 })}, "learning rate 1 instead of 0.1"},
		{"another loss", Run{Dir: done, Resume: true, Config: with(func(c *Config) { c.Model.Loss = "nt-logistic" })}, "loss nt-logistic instead of nt-xent"},
		{"other first gammas", Run{Dir: done, Resume: true, Config: with(func(c *Config) { c.Model.OnesInit = true })}, "zero-init false instead of true"},
		{"with Nesterov", Run{Dir: done, Resume: true, Config: with(func(c *Config) { c.Optimizer.Nesterov = true })}, "nesterov true instead of false"},
		{"newer format", Run{Dir: newer, Resume: true, Config: testConfig()}, "is of format 2, this program reads 1"},
		{"truncated weights", Run{Dir: broken, Resume: true, Config: testConfig()}, "cut short"},
		{"unknown encoder", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Model.Encoder = "vgg" })}, "choose one of resnet18, resnet34, resnet50"},
		{"width", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Model.Width = 3 })}, "choose one of 0.25 0.5 1 2 4"},
		{"head", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Model.Head = "deep" })}, "choose one of none, linear, nonlinear"},
		{"head layers", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Model.HeadLayers = 4 })}, "choose 1 to 3"},
		{"loss", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Model.Loss = "nt-logit" })}, "choose one of nt-xent, nt-logistic, triplet"},
		{"semi-hard NT-Xent", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Model.SemiHard = true })}, "choose nt-logistic or triplet"},
		{"margin of NT-Xent", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Model.Margin = 1 })}, "only triplet has a margin"},
		{"negative margin", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Model.Loss, c.Model.Margin = "triplet", -1 })}, "margin -1"},
		{"semi-hard without margin", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Model.Loss, c.Model.SemiHard = "triplet", true })}, "choose a positive margin"},
		{"temperature", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Model.Temperature = 0 })}, "temperature 0"},
		{"optimizer", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Optimizer.Name = "adamw" })}, "choose one of sgd, lars, adam"},
		{"Nesterov of LARS", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Optimizer.Name, c.Optimizer.Nesterov = "lars", true })}, "only sgd has it"},
		{"another chunk", Run{Dir: done, Resume: true, Config: with(func(c *Config) { c.Chunk = 2 })}, "chunk 2 instead of 0"},
		{"chunk of one", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Chunk = 1 })}, "at least 2"},
		{"negative chunk", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Chunk = -4 })}, "chunks of -4 images"},
		{"chunk that does not divide", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Chunk = 3 })}, "batches of 4 images in chunks of 3"},
		{"backend without chunks", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Chunk = 2 })}, "use the whole batch at once, or another backend"},
		{"chunks of another loss", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Chunk, c.Model.Loss = 2, "nt-logistic" })}, "only nt-xent is computed over chunks"},
		{"view size", Run{Dir: t.TempDir(), Config: with(func(c *Config) { c.Model.ImageSize = 16 })}, "makes 2 views of 8x8x3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := train(t, c.run)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func rewrite(t *testing.T, path, before, after string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), before) {
		t.Fatalf("%s does not hold %q", path, before)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), before, after, 1)), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestRate(t *testing.T) {
	o := Optimizer{LearningRate: 2, WarmupEpochs: 2}
	for _, c := range []struct {
		step int
		want float64
	}{
		{0, 0.1}, {9, 1}, {19, 2}, {20, 2}, {60, 1}, {100, 0}, {99, 1 - math.Cos(math.Pi/80)},
	} {
		if got := o.rate(c.step, 10, 100); math.Abs(float64(got)-c.want) > 1e-6 {
			t.Errorf("rate of step %d is %g, want %g", c.step, got, c.want)
		}
	}
	if got := (Optimizer{LearningRate: 2}).rate(0, 10, 100); got != 2 {
		t.Errorf("without warm-up the first rate is %g, want 2", got)
	}
}

func TestARunNeedsWholeBatches(t *testing.T) {
	p, err := pipeline.New(colours(21), pipeline.Options{Batch: 4, World: 2},
		stages.Decode{}, pipeline.Pair(stages.SimCLR(8, 0.5)...))
	if err != nil {
		t.Fatal(err)
	}
	err = Run{Dir: t.TempDir(), Config: testConfig()}.Train(t.Context(), &fakeBackend{}, p)
	if err == nil || !strings.Contains(err.Error(), "leave World at 1") {
		t.Errorf("error %v", err)
	}
}
