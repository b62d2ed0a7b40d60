package gpu

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// writeRun makes the directory of a run of four epochs of two steps, with a checkpoint at each of the steps, the last of them the latest.
func writeRun(t *testing.T, name string, loss float64, checkpoints ...int) string {
	t.Helper()
	run := filepath.Join(t.TempDir(), name)
	last := 0
	for _, step := range checkpoints {
		write(t, filepath.Join(run, "checkpoints", fmt.Sprintf("step-%d", step), "run.json"),
			fmt.Sprintf(`{"step":%d,"steps":8,"config":{"epochs":4}}`, step))
		last = step
	}
	if err := os.Symlink(fmt.Sprintf("checkpoints/step-%d", last), filepath.Join(run, "latest")); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for step := 1; step <= last; step++ {
		fmt.Fprintf(&lines, `{"step":%d,"epoch":%g,"loss":%g,"images_per_s":100,"wait":0.06}`+"\n", step, float64(step)/2, loss/float64(step))
	}
	write(t, filepath.Join(run, "metrics.jsonl"), lines.String())
	write(t, run+".seconds", "60\n30\n")
	return run
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// python runs a script, and returns what it prints.
func python(t *testing.T, script string, arguments ...string) string {
	t.Helper()
	interpreter, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to run the scripts")
	}
	out, err := exec.Command(interpreter, append([]string{"-B", script}, arguments...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%s %q: %v\n%s", script, arguments, err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return string(out)
}

func wantText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
}

func TestSummary(t *testing.T) {
	mine, theirs := writeRun(t, "bf16", 8, 0, 2, 4, 5), writeRun(t, "torch", 8.5, 0, 2, 4, 6)
	scores := filepath.Join(t.TempDir(), "scores.jsonl")
	write(t, scores, `{"step":0,"knn":0.1}`+"\n")

	wantText(t, python(t, "summary.py", "training", mine, theirs),
		"bf16: 5 steps, 2.5 epochs in 1.5 minutes of 2 commands", "100 images/s", "6.0 % of the time waiting for batches (NOT met", "loss 8.000 to 1.600")
	wantText(t, python(t, "summary.py", "losses", mine, theirs), "| 5 | 1.60000 | 1.70000 | +0.10000 |", "Over 5 steps")
	if got := strings.TrimSpace(python(t, "summary.py", "equal", mine, theirs)); got != "4" {
		t.Errorf("both are equal at step %s, want 4: 5 is not the end of an epoch, 6 has one of them only", got)
	}
	if got := strings.Fields(python(t, "summary.py", "unscored", scores, "2", mine)); len(got) != 1 || filepath.Base(got[0]) != "step-4" {
		t.Errorf("to be scored are %q, want step-4", got)
	}
}

func TestVerdict(t *testing.T) {
	mine, theirs := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	write(t, mine, `{"step":4,"knn":0.80,"linear":0.84}`+"\n"+`{"step":8,"knn":0.845,"linear":0.87}`+"\n")
	write(t, theirs, `{"step":4,"knn":0.805,"linear":0.86}`+"\n")
	wantText(t, python(t, "summary.py", "verdict", "8", mine, theirs),
		"| 4 | 80.00 % | 84.00 % | 80.50 % | 86.00 % |", "| 8 | 84.50 % | 87.00 % |  |  |",
		"knn after 4 steps, goclr less PyTorch: -0.50 points (met", "linear after 4 steps, goclr less PyTorch: -2.00 points (NOT met",
		"knn at the last epoch: 84.50 % (met", "linear at the last epoch: 87.00 % (NOT met")
	if text := python(t, "summary.py", "verdict", "16", mine, theirs); strings.Contains(text, "last epoch") {
		t.Errorf("half of the epochs are taken for all:\n%s", text)
	}
}

// TestCurvesAreXML draws runs of unequal length, of which one has no accuracy yet.
func TestCurvesAreXML(t *testing.T) {
	dir := t.TempDir()
	svg, scores := filepath.Join(dir, "curves.svg"), filepath.Join(dir, "scores.jsonl")
	write(t, scores, `{"step":0,"knn":0.1}`+"\n"+`{"step":4,"knn":0.5}`+"\n")
	python(t, "curves.py", svg, "a & b", writeRun(t, "a", 8, 0, 5), scores, "c", writeRun(t, "c", 8, 0), filepath.Join(dir, "none.jsonl"))
	f, err := os.Open(svg)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, texts := 0, ""
	for d := xml.NewDecoder(f); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "polyline" {
				lines++
			}
		case xml.CharData:
			texts += string(token)
		}
	}
	if lines != 4 {
		t.Errorf("%d lines, want two of each run", lines)
	}
	wantText(t, texts, "a & b", "NT-Xent loss", "kNN", "epoch")
}

// TestBatchTooLarge has a pretrain that names first the limit of cuDNN and then that of memory, one that names none, and one whose
// batches never fit.
func TestBatchTooLarge(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	const pretrain = `#!/bin/sh
for last; do [ "$flag" != -batch ] || batch=$last; flag=$last; done
case $batch in
32768) echo "pretrain: images have 2^31 elements or more: use a smaller batch, of 8191 views at most" ;;
4095) echo "pretrain: the batch has 8190 views, about 6144 would fit: use a smaller batch" ;;
3072) exit ;;
7) echo "pretrain: use a smaller batch" ;;
*) echo "pretrain: the batch is too large, about 1000 would fit: use a smaller batch" ;;
esac >&2
exit 1
`
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bin", "pretrain"), pretrain)
	if err := os.Chmod(filepath.Join(dir, "bin", "pretrain"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "batch.py")
	write(t, script, fmt.Sprintf(`import os, sys
sys.path.insert(0, %q)
import faults
os.chdir(%q)
try:
    print(faults.Faults("runs", 60, []).batch_too_large())
except faults.Unexpected as e:
    print("unexpected:", e)
`, here, dir))
	for flags, want := range map[string]string{
		"-batch 32768": "about 6144 would fit: use a smaller batch. One step with -batch 3072 then worked",
		"-batch 7":     "unexpected: names no batch that fits",
		"-batch 8":     "unexpected: the batches that are named do not fit",
		"-batch 3072":  "unexpected: -batch 3072 is not too large",
	} {
		t.Setenv("TOO_LARGE", flags)
		wantText(t, python(t, script), want)
	}
}

// TestWarningsAreReported has a benchmark warn, as where cuDNN has no algorithm: it is measured, and the report says what it said, once.
func TestWarningsAreReported(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to run the scripts")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "benchmark"), `#!/bin/sh
echo "BenchmarkStep/case/subject	20	1 ns/op	5 ms/step"
echo "--- BENCH: BenchmarkStep/case/subject"
echo "    step_test.go:1: warning: cuDNN has no algorithm"
`)
	const report = `"$1" ../compare.py --units ms/step --load 0 --rounds 2 --go-on --commands "shown::sh $2/benchmark" 2>"$2/log" && . ./parts.sh && warnings "$2/log"`
	out, err := exec.Command("sh", "-c", report, "sh", python, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantText(t, string(out), "| case | subject | 5 |")
	if n := strings.Count(string(out), "- warning: cuDNN has no algorithm\n"); n != 1 {
		t.Errorf("the report has the warning %d times:\n%s", n, out)
	}
}
