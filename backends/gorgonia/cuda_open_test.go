//go:build linux

package gorgonia

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
)

// childVariable has the device and the settings of the stand-ins for a process that only opens the backend. Libraries stay loaded, so
// each case has a process of its own.
const childVariable = "GOCLR_TEST_OPEN"

// openInChild prints the error of opening the backend, and what was not given back.
func openInChild(t *testing.T, settings []string) {
	held := func() int { return 0 }
	if len(settings) > 1 {
		l := stub.Open(t)
		held = func() int { return l.Held() + l.Allocated() }
		for _, s := range settings[1:] {
			name, value, _ := strings.Cut(s, "=")
			l.Set(name, value)
		}
	}
	b, err := backends.Open(t.Context(), "gorgonia", backends.Options{Device: settings[0]})
	if err == nil {
		closeTest(t, b)
	}
	fmt.Printf("held %d, error: %v\nend", held(), err)
}

// TestCUDAOpenErrors opens the backend where something is missing or does not fit.
func TestCUDAOpenErrors(t *testing.T) {
	if settings, ok := os.LookupEnv(childVariable); ok {
		openInChild(t, strings.Fields(settings))
		return
	}
	l := stub.Open(t)
	const driver, cudnn, cublas12, cublas13, nvrtc12, nvrtc13 = "libcuda.so.1", "libcudnn.so.9", "libcublasLt.so.12", "libcublasLt.so.13",
		"libnvrtc.so.12", "libnvrtc.so.13"
	for _, c := range []struct {
		name, settings string
		libraries      []string
		want           []string
	}{
		{"no driver", "cuda:0", nil, []string{"no libcuda.so.1: looked in ", "Install NVIDIA's driver, or use -device cpu"}},
		{"no device", "cuda:0 devices=0", []string{driver, cudnn, cublas13, nvrtc13}, []string{"NVIDIA's driver finds no GPU", "nvidia-smi", "-device cpu"}},
		{"number too large", "cuda:3 devices=2", []string{driver, cudnn, cublas13, nvrtc13}, []string{"there is no GPU 3: this machine has 2, counted from 0"}},
		{"driver too old", "cuda:0 driver=11080", []string{driver, cudnn, cublas13, nvrtc13}, []string{"driver is for CUDA 11.8", "install a newer driver"}},
		{"driver does not start", "cuda:0 cuInit=719", []string{driver, cudnn, cublas13, nvrtc13}, []string{"driver does not start", "nvidia-smi"}},
		{"libraries of two majors", "cuda:0 cudnn_cudart=12000", []string{driver, cudnn, cublas13, nvrtc13}, []string{"is for CUDA 12", "no libcublasLt.so.12", "pip install"}},
		{"products and compiler of two majors", "cuda:0", []string{driver, cudnn, cublas13, nvrtc12}, []string{"is for CUDA 13", "no libnvrtc.so.13", "pip install"}},
		{"no cuDNN", "cuda:0 x=", []string{driver, cublas12, cublas13, nvrtc12, nvrtc13}, []string{"no libcudnn.so.9", "pip install nvidia-cudnn-cu13", "GOCLR_CUDA"}},
		{"no memory", "cuda:0 memory=1000000", []string{driver, cudnn, cublas13, nvrtc13}, []string{"memory for cuBLASLt", "MiB of memory are needed", "end what else uses the device"}},
		{"cuDNN does not start", "cuda:0 cudnn_create=4", []string{driver, cudnn, cublas13, nvrtc13}, []string{"cuDNN does not start"}},
		{"cuBLASLt does not start", "cuda:0 cublaslt_create=4", []string{driver, cudnn, cublas13, nvrtc13}, []string{"cuBLASLt does not start"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			directory := some(t, l, c.libraries...)
			child := exec.Command(os.Args[0], "-test.run=^TestCUDAOpenErrors$")
			child.Env = append(l.Environment(directory, ""), childVariable+"="+c.settings)
			out, err := child.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			said, _, _ := strings.Cut(string(out), "\nend")
			message, ok := strings.CutPrefix(said, "held 0, error: ")
			if !ok {
				t.Fatalf("not everything was given back: %s", out)
			}
			if message == "<nil>" {
				t.Skip("this machine has what should be missing")
			}
			t.Log(message)
			wantError(t, fmt.Errorf("%s", message), c.want...)
		})
	}
}

// some is a directory with some of the libraries.
func some(t *testing.T, l *stub.Libraries, libraries ...string) string {
	t.Helper()
	directory := t.TempDir()
	for _, library := range libraries {
		if err := os.Symlink(filepath.Join(l.Directory, library), filepath.Join(directory, library)); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}
