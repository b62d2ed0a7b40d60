package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFinetune(t *testing.T) {
	run := trainRun(t)
	args := []string{"finetune", "-backend", backend(t), "-run", run, "-train", tintFolder(t, 1, 20), "-test", tintFolder(t, 2, 10),
		"-fraction", "0.51", "-epochs", "16", "-batch", "16", "-lr", "0.05", "-eval-every", "2"}
	code, table, stderr := evaluate(t, args...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{"51 % of the labels (33 of 60 images), 16 epochs of batches of 16 at 0.05: 30 test images",
		"from the encoder after 2 steps", "from scratch, the same recipe"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in the table:\n%s", want, table)
		}
	}
	trained, untrained := curve(stderr, "trained"), curve(stderr, "untrained")
	if len(trained) != 8 || !strings.HasPrefix(trained[0], "2.0  step 4  test") || slices.Equal(trained, untrained) {
		t.Errorf("measurements from the run %q and from scratch %q", trained, untrained)
	}

	// Each start alone, in a process of its own, takes the same steps on the same images.
	r, stderr := finetune(t, append(args, "-from", "run")...)
	if got := curve(stderr, "trained"); !slices.Equal(got, trained) || r.Untrained != nil {
		t.Errorf("from the run alone: %q, with the other %q; %+v", got, trained, r)
	}
	if r.Trained == nil || *r.Trained < 0.6 || *r.Trained > 1 {
		t.Errorf("accuracy of %+v: chance is 0.33", r)
	}
	r.Trained = nil
	want := finetuned{Method: "finetune", Run: run, Step: 2, Fraction: 0.51, Labels: 33, Train: 60, Test: 30,
		Epochs: 16, Batch: 16, LearningRate: 0.05, Seed: 1}
	if r != want {
		t.Errorf("%+v, want %+v", r, want)
	}
	r, stderr = finetune(t, append(args, "-from", "scratch")...)
	if got := curve(stderr, "untrained"); !slices.Equal(got, untrained) || r.Trained != nil {
		t.Errorf("from scratch alone: %q, with the other %q; %+v", got, untrained, r)
	}
	if r.Untrained == nil || *r.Untrained < 0.6 || *r.Untrained > 1 {
		t.Errorf("accuracy of %+v: chance is 0.33", r)
	}
}

// curve returns the measurements of the network of that name, from what is printed on standard error.
func curve(stderr, name string) (lines []string) {
	for line := range strings.Lines(stderr) {
		if rest, ok := strings.CutPrefix(line, name+": epoch"); ok {
			lines = append(lines, strings.TrimSpace(rest))
		}
	}
	return lines
}

// tintFolder returns a data set of three classes of n images each, noise with more of one colour.
func tintFolder(t *testing.T, seed uint64, n int) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(seed, 1))
	for class, name := range []string{"blue", "green", "red"} {
		for i := range n {
			m := image.NewRGBA(image.Rect(0, 0, 12, 12))
			for j := range 144 {
				p := [3]uint8{uint8(r.IntN(150)), uint8(r.IntN(150)), uint8(r.IntN(150))}
				p[2-class] += 100
				m.Set(j%12, j/12, color.RGBA{p[0], p[1], p[2], 255})
			}
			var b bytes.Buffer
			if err := png.Encode(&b, m); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name, fmt.Sprint(i, ".png")), b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// finetune returns what -json prints, and standard error.
func finetune(t *testing.T, args ...string) (r finetuned, stderr string) {
	t.Helper()
	code, out, stderr := evaluate(t, append(args, "-json")...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r, stderr
}

func TestFinetuneFlags(t *testing.T) {
	run := trainRun(t)
	args := []string{"finetune", "-backend", backend(t), "-run", run, "-train", data, "-test", "synthetic:n=30#test"}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no fraction", append(args, "-fraction", "0"), 2, "above 0 and at most 1; 0.01 is 1 % of the labels"},
		{"more than all", append(args, "-fraction", "10"), 2, "-fraction 10"},
		{"unknown start", append(args, "-from", "zero"), 2, "choose one of both, run, scratch"},
		{"negative rate", append(args, "-lr", "-1"), 2, "-lr -1"},
		{"negative epochs", append(args, "-epochs", "-1"), 2, "-epochs -1"},
		{"tiny batch", append(args, "-batch", "1"), 2, "at least 2"},
		{"fewer images than a batch", append(args, "-fraction", "0.1"), 2, "-batch 64: a fraction of 0.1 has only 10 images; use -batch 10 or less"},
		{"unlabelled", append(args, "-train", flatFolder(t)), 1, "has no classes"},
		{"other classes", append(args, "-test", classFolder(t)), 1, "different classes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := evaluate(t, c.args...)
			if code != c.code || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "goroutine") {
				t.Errorf("exit code %d, want %d, and %q in: %s", code, c.code, c.want, stderr)
			}
		})
	}
}

// flatFolder returns a data set of one image without a class.
func flatFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.jpg"), firstImage(t), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}
