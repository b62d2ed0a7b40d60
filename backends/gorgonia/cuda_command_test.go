//go:build linux

package gorgonia

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
	"github.com/goclr/goclr/simclr"
)

// The run that the command makes: two epochs of two steps, and a checkpoint after each.
const (
	commandSteps = 4
	commandViews = 2 * 2 * 8 * 8 * 3 // bytes of the views of a batch
)

var allLibraries = []string{"libcuda.so.1", "libcudnn.so.9", "libcublasLt.so.13", "libnvrtc.so.13"}

// A pretraining is the command on libraries that stand for CUDA's.
type pretraining struct {
	binary string
	*stub.Libraries
}

// buildPretrain needs the go command.
func buildPretrain(t *testing.T) pretraining {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	l := stub.Open(t)
	command, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command to build pretrain")
	}
	binary := filepath.Join(t.TempDir(), "pretrain")
	if out, err := exec.CommandContext(t.Context(), command, "build", "-buildvcs=false", "-o", binary, "../../cmd/pretrain").CombinedOutput(); err != nil {
		t.Fatalf("building pretrain: %v\n%s", err, out)
	}
	return pretraining{binary, l}
}

// run runs the command to its end, with the libraries of a directory, settings of them, and more flags. The record of their calls goes to a
// file, unless that is "".
func (p pretraining) run(t *testing.T, dir, directory, record string, settings []string, more ...string) (code int, said string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), p.binary, append([]string{"-out", dir}, more...)...)
	command.Env = p.Environment(directory, record, settings...)
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte("goroutine ")) || bytes.Contains(out, []byte("panic")) {
		t.Errorf("the command panics: %s", out)
	}
	return command.ProcessState.ExitCode(), string(out)
}

// begin starts a run, and resume goes on with it.
func (p pretraining) begin(t *testing.T, dir, record string, settings []string, more ...string) (code int, said string) {
	t.Helper()
	return p.run(t, dir, p.Directory, record, settings, append([]string{
		"-backend", "gorgonia", "-device", "cuda:0", "-threads", "1", "-data", "synthetic:n=4", "-image-size", "8", "-batch", "2", "-epochs", "2",
		"-optimizer", "lars", "-lr", "1",
	}, more...)...)
}

func (p pretraining) resume(t *testing.T, dir, directory string, settings []string, more ...string) (code int, said string) {
	t.Helper()
	return p.run(t, dir, directory, "", settings, append([]string{"-resume"}, more...)...)
}

// finish goes on with a run to a step and wants the weights of one that nothing happened to.
func (p pretraining) finish(t *testing.T, dir string, step int, want [sha256.Size]byte) {
	t.Helper()
	if code, said := p.resume(t, dir, p.Directory, nil, "-max-steps", strconv.Itoa(step)); code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	if got := weightsSum(t, dir); got != want {
		t.Errorf("the weights are %x, those of a run that nothing happened to %x", got[:6], want[:6])
	}
}

func weightsSum(t *testing.T, dir string) [sha256.Size]byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "weights.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

// saved is the step of the last checkpoint, all of which can be read.
func saved(t *testing.T, dir string) int {
	t.Helper()
	c, err := simclr.ReadCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Weights(); err != nil {
		t.Fatal(err)
	}
	return c.Step
}

func wantFailure(t *testing.T, wantCode, code int, said string, parts ...string) {
	t.Helper()
	if code != wantCode {
		t.Errorf("exit code %d, want %d: %s", code, wantCode, said)
	}
	wantError(t, errors.New(said), parts...)
}

// A callCount says when in a run something happens, by the calls of the libraries so far.
type callCount struct{ uploads, downloads int }

// metricsOf finds in the record of a run when the views of a step are copied to the GPU, and when its loss comes back.
func metricsOf(t *testing.T, record string, step int) (at callCount) {
	t.Helper()
	text, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	views, uploads, seen, taken := strconv.Itoa(commandViews), 0, 0, 0
	for _, line := range strings.Split(string(text), "\n") {
		switch name, size, _ := strings.Cut(line, " "); name {
		case "cuMemcpyHtoDAsync":
			uploads++
			if size == views {
				seen++
				if seen == step {
					at.uploads = uploads
				}
			}
		case "cuMemcpyDtoDAsync": // as the step begins; the views may have been copied while the one before ran
			if size == views {
				taken++
			}
		case "cuMemcpyDtoHAsync":
			at.downloads++
			if taken == step {
				return at
			}
		}
	}
	t.Fatalf("the record has no step %d", step)
	return at
}

// TestCUDACommandFaults lets pretrain run into all that can be wrong with a GPU, from the start and on its way: it ends with an error that
// helps, and its last checkpoint leads to the weights of a run that nothing happened to.
func TestCUDACommandFaults(t *testing.T) {
	p := buildPretrain(t)
	record := filepath.Join(t.TempDir(), "record")
	whole := t.TempDir()
	if code, said := p.begin(t, whole, record, nil); code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	want := weightsSum(t, whole)

	t.Run("at the start", func(t *testing.T) { startFaults(t, p, want) })
	t.Run("lost in the middle of epoch 2", func(t *testing.T) {
		dir := t.TempDir()
		code, said := p.begin(t, dir, "", []string{"fail_download=" + strconv.Itoa(metricsOf(t, record, 4).downloads)})
		wantFailure(t, 1, code, said, "CUDA_ERROR_ILLEGAL_ADDRESS", "the GPU is lost to this process: start it again, from its last checkpoint", "saved after step 2 only")
		if step := saved(t, dir); step != 2 {
			t.Errorf("the last checkpoint is that of step %d", step)
		}
		p.finish(t, dir, commandSteps, want)
	})
	t.Run("interrupted", func(t *testing.T) {
		dir, whole := t.TempDir(), t.TempDir()
		const long = "1000000" // epochs: however late the signal is heard of, the run is not over
		code, said := p.begin(t, dir, "", []string{"interrupt_upload=" + strconv.Itoa(metricsOf(t, record, 3).uploads)}, "-epochs", long)
		wantFailure(t, 130, code, said, "stopped after step", "pretrain -resume -out "+dir)
		step := saved(t, dir)
		if step < 1 {
			t.Errorf("the last checkpoint is that of step %d", step)
		}
		if code, said := p.begin(t, whole, "", nil, "-epochs", long, "-max-steps", strconv.Itoa(step+1)); code != 0 {
			t.Fatalf("exit code %d: %s", code, said)
		}
		p.finish(t, dir, step+1, weightsSum(t, whole))
	})
	t.Run("filled", func(t *testing.T) { // between the checkpoint of step 0 and what chunks need
		dir := t.TempDir()
		code, said := p.begin(t, dir, "", []string{"fill_download=1"}, "-chunk", "2")
		wantFailure(t, 1, code, said, "MiB of memory", "end what else uses the device", "saved after step 0 of 4")
		if step := saved(t, dir); step != 0 {
			t.Errorf("the last checkpoint is that of step %d", step)
		}
	})
	t.Run("in any order", func(t *testing.T) {
		code, said := p.begin(t, t.TempDir(), "", []string{"cudnn_any_order=1"})
		if code != 0 || !strings.Contains(said, "warning: cuDNN has no algorithm for Forward of a convolution of ") || !strings.Contains(said, "same bits each time") {
			t.Errorf("exit code %d: %s", code, said)
		}
		dir := t.TempDir()
		if code, said := p.begin(t, dir, "", nil, "-deterministic=false", "-max-steps", "1"); code != 0 || !strings.Contains(said, "sums in any order") {
			t.Errorf("exit code %d: %s", code, said)
		}
		code, said = p.resume(t, dir, p.Directory, nil, "-device", "cpu", "-max-steps", "2")
		wantFailure(t, 1, code, said, "say -deterministic")
		code, said = p.resume(t, dir, p.Directory, nil, "-max-steps", "2", "-deterministic")
		if code != 0 || !strings.Contains(said, "sums in any order: it does not repeat to the bit: from here on") {
			t.Errorf("exit code %d: %s", code, said)
		}
	})
}

// startFaults resume a run where something is missing, does not fit or is taken.
func startFaults(t *testing.T, p pretraining, want [sha256.Size]byte) {
	const steps = 1
	dir := t.TempDir()
	if code, said := p.begin(t, dir, "", nil, "-max-steps", strconv.Itoa(steps)); code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	for _, c := range []struct {
		name      string
		libraries []string
		setting   string
		want      []string
	}{
		{"no driver", nil, "", []string{"no libcuda.so.1: looked in ", "Install NVIDIA's driver, or use -device cpu"}},
		{"no device", allLibraries, "devices=0", []string{"NVIDIA's driver finds no GPU", "-device cpu"}},
		{"driver too old", allLibraries, "driver=11080", []string{"driver is for CUDA 11.8", "install a newer driver"}},
		{"wrong major", allLibraries, "cudnn_cudart=12000", []string{"is for CUDA 12", "no libcublasLt.so.12", "pip install"}},
		{"no cuDNN", []string{"libcuda.so.1", "libcublasLt.so.13", "libnvrtc.so.13"}, "", []string{"no libcudnn.so.9", "pip install nvidia-cudnn-cu13", "GOCLR_CUDA"}},
		{"GPU too old", allLibraries, "major=6", []string{"compute capability 7.5 and later", "older CUDA in GOCLR_CUDA"}},
		{"driver that does not compile", allLibraries, "major=12 ptx=222", []string{"install a newer driver, or name the libraries of CUDA 13.0 or older"}},
		{"full before it opens", allLibraries, "memory=1000000", []string{"MiB of memory", "end what else uses the device"}},
		{"full before it compiles", allLibraries, "memory=38000000", []string{"compile", "MiB of memory are needed", "end what else uses the device"}},
		{"full before kernels are loaded", allLibraries, "late=100000000 memory=1000000000", []string{"compile", "MiB of memory are free", "end what else uses the device"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, said := p.resume(t, dir, some(t, p.Libraries, c.libraries...), []string{c.setting}, "-max-steps", strconv.Itoa(steps))
			if code == 0 {
				t.Skip("this machine has what should be missing")
			}
			wantFailure(t, 1, code, said, c.want...)
			if step := saved(t, dir); step != steps {
				t.Errorf("the last checkpoint is that of step %d", step)
			}
		})
	}
	p.finish(t, dir, commandSteps, want)
}
