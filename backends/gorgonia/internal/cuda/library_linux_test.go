package cuda

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
)

// installed is a finder in a directory that has some of the libraries which stand for CUDA's, and nowhere else.
func installed(t *testing.T, l *stub.Libraries, names ...string) finder {
	t.Helper()
	directory := t.TempDir()
	for _, name := range names {
		if err := os.Symlink(filepath.Join(l.Directory, name), filepath.Join(directory, name)); err != nil {
			t.Fatal(err)
		}
	}
	f := newFinder([]string{directory})
	f.directories, f.packages = f.directories[:1], nil
	f.open = func(path string) (uintptr, error) {
		if !strings.HasPrefix(path, directory) {
			return 0, errors.New(filepath.Base(path) + ": cannot open shared object file: No such file or directory")
		}
		return openLibrary(path)
	}
	return f
}

func TestOpenLibraries(t *testing.T) {
	l := stub.Open(t)
	all := []string{"libcuda.so.1", "libcudnn.so.9", "libnvrtc.so.12", "libnvrtc.so.13", "libcublasLt.so.12", "libcublasLt.so.13"}
	for _, c := range []struct {
		major, driver int
		want          string
	}{
		{13, 13000, "cuDNN 9.6.0, cuBLASLt 13.0.0, NVRTC 13.0"}, {12, 12040, "cuDNN 9.6.0, cuBLASLt 12.0.0, NVRTC 12.0"}, {12, 13010, "cuDNN 9.6.0, cuBLASLt 12.0.0, NVRTC 12.0"},
	} {
		l.Set("cudnn_cudart", 1000*c.major+40)
		l.Set("driver", c.driver)
		got, err := openLibraries(installed(t, l, all...))
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != c.want {
			t.Errorf("opened %v, want %s", got, c.want)
		}
	}
}

func TestOpenLibrariesErrors(t *testing.T) {
	rest := []string{"libcuda.so.1", "libcudnn.so.9"}
	for _, c := range []struct {
		name      string
		installed []string
		set       map[string]any
		want      []string
	}{
		{"no driver", []string{"libcudnn.so.9"}, nil, []string{"no libcuda.so.1", "Install NVIDIA's driver"}},
		{"no GPU", rest, map[string]any{"devices": 0}, []string{"no GPU", "nvidia-smi", "-device cpu"}},
		{"no cuDNN", rest[:1], nil, []string{"no libcudnn.so.9: looked in", "nvidia-cudnn-cu13"}},
		{"no cuDNN for an older driver", rest[:1], map[string]any{"driver": 12020}, []string{"nvidia-cudnn-cu12"}},
		{"driver too old", append(rest, "libnvrtc.so.13", "libcublasLt.so.13"), map[string]any{"driver": 12040}, []string{"is for CUDA 13", "driver is for CUDA 12.4", "newer driver"}},
		{"mixed majors", append(rest, "libnvrtc.so.12", "libcublasLt.so.13"), nil, []string{"is for CUDA 13", "no libnvrtc.so.13"}},
		{"no cuBLASLt", append(rest, "libnvrtc.so.13", "libcublasLt.so.12"), nil, []string{"is for CUDA 13", "no libcublasLt.so.13"}},
		{"unknown major", rest, map[string]any{"cudnn_cudart": 11080}, []string{"is for CUDA 11, which goclr does not know"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := stub.Open(t)
			for name, value := range c.set {
				l.Set(name, value)
			}
			_, err := openLibraries(installed(t, l, c.installed...))
			for _, part := range c.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
		})
	}
}

// TestCuDNNWithABrokenPart has a part of cuDNN that is no library.
func TestCuDNNWithABrokenPart(t *testing.T) {
	l := stub.Open(t)
	f := installed(t, l, "libcuda.so.1", "libcudnn.so.9", "libnvrtc.so.13", "libcublasLt.so.13")
	if err := os.WriteFile(filepath.Join(f.directories[0], "libcudnn_ops.so.9"), []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openLibraries(f); err == nil || !strings.Contains(err.Error(), "libcudnn_ops.so.9, a part of cuDNN, does not load") {
		t.Error(err)
	}
}
