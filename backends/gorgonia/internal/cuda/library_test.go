package cuda

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// files is a finder on a machine that has some paths; those that are bare names are known to the dynamic linker.
func files(paths ...string) (f finder, opened, closed *[]string) {
	opened, closed = new([]string), new([]string)
	f = finder{
		directories: []string{"/named"},
		packages:    []string{"/venv/site-packages"},
		exists:      func(path string) bool { return slices.Contains(paths, path) },
		open: func(path string) (uintptr, error) {
			if !slices.Contains(paths, path) {
				return 0, fmt.Errorf("%s: cannot open shared object file: No such file or directory", path)
			}
			*opened = append(*opened, path)
			return uintptr(len(*opened)), nil
		},
		close: func(library uintptr) { *closed = append(*closed, (*opened)[library-1]) },
	}
	return f, opened, closed
}

func TestPlaces(t *testing.T) {
	f, _, _ := files()
	for library, want := range map[string][]string{
		"libcuda.so.1": {"/named/libcuda.so.1", "/named/lib64/libcuda.so.1", "/named/lib/libcuda.so.1", "libcuda.so.1", "/usr/local/cuda/lib64/libcuda.so.1"},
		"libcudnn.so.9": {
			"/named/libcudnn.so.9", "/named/lib64/libcudnn.so.9", "/named/lib/libcudnn.so.9", "/named/nvidia/cudnn/lib/libcudnn.so.9",
			"libcudnn.so.9", "/venv/site-packages/nvidia/cudnn/lib/libcudnn.so.9", "/usr/local/cuda/lib64/libcudnn.so.9",
		},
	} {
		if got := f.places(library); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", library, got, want)
		}
	}
	for library, want := range map[string]string{
		"libnvrtc.so.12": "nvidia/cuda_nvrtc/lib", "libnvrtc.so.13": "nvidia/cu13/lib",
		"libcublasLt.so.12": "nvidia/cublas/lib", "libcublasLt.so.13": "nvidia/cu13/lib",
	} {
		if path := "/venv/site-packages/" + want + "/" + library; !slices.Contains(f.places(library), path) {
			t.Errorf("%s is not looked for in %s", library, path)
		}
	}
}

func TestEachTakesTheFirstThatServes(t *testing.T) {
	const library = "libcudnn.so.9"
	f, opened, closed := files("/named/lib/"+library, library, "/venv/site-packages/nvidia/cudnn/lib/"+library, "/usr/local/cuda/lib64/"+library)
	var took string
	err := f.each(library, 13, func(_ uintptr, path string) error {
		if took = path; !strings.HasPrefix(path, "/venv") {
			return errors.New("not this one")
		}
		return nil
	})
	if err != nil || took != "/venv/site-packages/nvidia/cudnn/lib/"+library {
		t.Errorf("took %s: %v", took, err)
	}
	if want := []string{"/named/lib/" + library, library}; !slices.Equal(*closed, want) {
		t.Errorf("closed %q, want %q", *closed, want)
	}
	if len(*opened) != 3 {
		t.Errorf("opened %q", *opened)
	}
}

func TestNotFoundErrorsSayWhereAndWhatToDo(t *testing.T) {
	f, _, _ := files()
	for library, parts := range map[string][]string{
		"libcuda.so.1":      {"libcuda.so.1", "/named", "dynamic linker", "/usr/local/cuda/lib64", "NVIDIA's driver", "-device cpu"},
		"libcublasLt.so.12": {"/venv/site-packages/nvidia/cublas/lib", "nvidia-cudnn-cu12 nvidia-cublas-cu12", "GOCLR_CUDA", "-device cpu"},
	} {
		err := f.each(library, 12, func(uintptr, string) error { return nil })
		for _, part := range parts {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("the error does not say %q: %v", part, err)
			}
		}
	}
	damaged := errors.New("invalid ELF header")
	f.exists = func(path string) bool { return path == "/named/libcudnn.so.9" }
	f.open = func(path string) (uintptr, error) { return 0, fmt.Errorf("%s: %w", path, damaged) }
	if err := f.each("libcudnn.so.9", 13, nil); !errors.Is(err, damaged) || !strings.Contains(err.Error(), "nvidia-cudnn-cu13 nvidia-cublas ") {
		t.Errorf("a damaged library: %v", err)
	}
}

func TestFinderReadsTheEnvironment(t *testing.T) {
	t.Setenv(DirectoryVariable, "/first::relative")
	f := newFinder([]string{"/option"})
	if len(f.directories) != 3 || f.directories[0] != "/option" || f.directories[1] != "/first" || !strings.HasSuffix(f.directories[2], "/cuda/relative") {
		t.Errorf("looks in %q", f.directories)
	}
	t.Setenv("VIRTUAL_ENV", t.TempDir())
	t.Setenv("CONDA_PREFIX", "")
	for _, d := range sitePackages() {
		if !strings.HasSuffix(d, "-packages") {
			t.Errorf("%s is no place for packages", d)
		}
	}
}
