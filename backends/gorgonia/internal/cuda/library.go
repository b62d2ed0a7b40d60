package cuda

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DirectoryVariable is the environment variable that names directories of CUDA's libraries, separated like those of PATH.
const DirectoryVariable = "GOCLR_CUDA"

// The names of CUDA's libraries, of the last two without the major version that ends them.
const (
	driverLibrary = "libcuda.so.1"
	cudnnName     = "libcudnn.so.9"
	nvrtcName     = "libnvrtc.so"
	cublasLtName  = "libcublasLt.so"
)

// cudaMajors are the major versions of CUDA that this package has been checked against.
var cudaMajors = []int{12, 13}

// A finder looks for shared libraries.
type finder struct {
	directories []string // named by the user
	packages    []string // site-packages of Python
	open        func(path string) (uintptr, error)
	close       func(library uintptr)
	exists      func(path string) bool
}

// newFinder looks in directories and those of DirectoryVariable, where the dynamic linker looks, in packages of Python, and in the
// usual place of NVIDIA's toolkit.
func newFinder(directories []string) finder {
	var named []string
	for _, d := range slices.Concat(directories, filepath.SplitList(os.Getenv(DirectoryVariable))) {
		if d == "" {
			continue
		}
		if absolute, err := filepath.Abs(d); err == nil {
			d = absolute
		}
		named = append(named, d)
	}
	return finder{
		directories: named,
		packages:    sitePackages(),
		open:        openLibrary,
		close:       closeLibrary,
		exists: func(path string) bool {
			_, err := os.Stat(path)
			return err == nil
		},
	}
}

// sitePackages are the directories where Python of the user's environment and of the system has packages.
func sitePackages() []string {
	var found []string
	home, _ := os.UserHomeDir()
	for _, root := range []string{os.Getenv("VIRTUAL_ENV"), os.Getenv("CONDA_PREFIX"), filepath.Join(home, ".local"), "/usr/local", "/usr"} {
		if root == "" {
			continue
		}
		for _, pattern := range []string{"lib/python3*/site-packages", "lib/python3*/dist-packages"} {
			matches, _ := filepath.Glob(filepath.Join(root, pattern))
			slices.Reverse(matches)
			found = append(found, matches...)
		}
	}
	return found
}

// wheels are the directories of a library in site-packages, as NVIDIA's packages have it.
func wheels(library string) []string {
	switch name, major, _ := strings.Cut(library, ".so."); {
	case library == driverLibrary:
		return nil
	case library == cudnnName:
		return []string{"nvidia/cudnn/lib"}
	case major != "12":
		return []string{"nvidia/cu" + major + "/lib"}
	case name+".so" == nvrtcName:
		return []string{"nvidia/cuda_nvrtc/lib"}
	default:
		return []string{"nvidia/cublas/lib"}
	}
}

// places are the paths to try for a library, in order. One without a directory is left to the dynamic linker.
func (f finder) places(library string) []string {
	var paths []string
	for _, d := range f.directories {
		for _, below := range append([]string{"", "lib64", "lib"}, wheels(library)...) {
			paths = append(paths, filepath.Join(d, below, library))
		}
	}
	paths = append(paths, library)
	for _, d := range f.packages {
		for _, below := range wheels(library) {
			paths = append(paths, filepath.Join(d, below, library))
		}
	}
	return append(paths, filepath.Join("/usr/local/cuda/lib64", library))
}

// each opens a library wherever it is, until take accepts one. Otherwise its error says where it looked; major is that of CUDA which the
// library should be for.
func (f finder) each(library string, major int, take func(handle uintptr, path string) error) error {
	e := &notFoundError{library: library, major: major}
	for _, path := range f.places(library) {
		if path == library {
			e.searched = append(e.searched, "where the dynamic linker looks")
		} else {
			e.searched = append(e.searched, filepath.Dir(path))
			if !f.exists(path) {
				continue
			}
		}
		handle, err := f.open(path)
		if err != nil {
			if !strings.Contains(err.Error(), library+": cannot open shared object file: No such file") {
				e.failures = append(e.failures, fmt.Errorf("%s does not load: %w", path, err))
			}
			continue
		}
		if err := take(handle, path); err != nil {
			f.close(handle)
			e.failures = append(e.failures, err)
			continue
		}
		return nil
	}
	return e
}

// A notFoundError says where a library was looked for.
type notFoundError struct {
	library  string
	major    int // of CUDA
	searched []string
	failures []error // of those that are there
}

func (e *notFoundError) Error() string {
	what := fmt.Sprintf("no %s: looked in %s", e.library, strings.Join(e.searched, ", "))
	if len(e.failures) > 0 {
		what = fmt.Sprintf("no %s that can be used: %v", e.library, errors.Join(e.failures...))
	}
	if e.library == driverLibrary {
		return what + ". Install NVIDIA's driver, or use -device cpu"
	}
	return fmt.Sprintf("%s. Install CUDA's libraries (%s), name their directory in %s, or use -device cpu", what, install(e.major), DirectoryVariable)
}

func (e *notFoundError) Unwrap() []error { return e.failures }

// install is the command that installs the libraries for a major version of CUDA.
func install(major int) string {
	if major == 12 {
		return "pip install nvidia-cudnn-cu12 nvidia-cublas-cu12 nvidia-cuda-nvrtc-cu12"
	}
	return fmt.Sprintf("pip install nvidia-cudnn-cu%d nvidia-cublas nvidia-cuda-nvrtc", major)
}

// libraries are CUDA's, all for the same major version of it.
type libraries struct {
	driver   *driver
	nvrtc    *nvrtc
	cudnn    *cudnn
	cublasLt *cublasLt
}

// String names the libraries with their versions.
func (l *libraries) String() string {
	d, b := l.cudnn.version(), l.cublasLt.version()
	return fmt.Sprintf("cuDNN %d.%d.%d, cuBLASLt %d.%d.%d, NVRTC %d.%d",
		d/10000, d/100%100, d%100, b/10000, b/100%100, b%100, l.nvrtc.major, l.nvrtc.minor)
}

// openLibraries opens the driver, and the first cuDNN for which the other libraries are there too. They stay open until the process
// ends.
func openLibraries(f finder) (*libraries, error) {
	l := &libraries{}
	newest := slices.Max(cudaMajors)
	var start error
	if err := f.each(driverLibrary, newest, func(handle uintptr, _ string) error {
		l.driver, start = newDriver(handle)
		return nil
	}); err != nil {
		return nil, err
	}
	if start != nil {
		return nil, start
	}
	driver, err := l.driver.version()
	if err != nil {
		return nil, err
	}
	if oldest := slices.Min(cudaMajors); driver/1000 < oldest {
		return nil, fmt.Errorf("NVIDIA's driver is for CUDA %d.%d, goclr needs one for CUDA %d: install a newer driver, or use -device cpu",
			driver/1000, driver/10%100, oldest)
	}
	err = f.each(cudnnName, min(newest, driver/1000), func(handle uintptr, path string) error { return l.complete(f, driver, handle, path) })
	if err != nil {
		return nil, err
	}
	return l, nil
}

// complete takes a cuDNN and opens the other libraries for its major version of CUDA.
func (l *libraries) complete(f finder, driver int, handle uintptr, path string) error {
	var err error
	if l.cudnn, err = newCuDNN(handle); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	major := l.cudnn.cudaMajor()
	if !slices.Contains(cudaMajors, major) {
		return fmt.Errorf("%s is for CUDA %d, which goclr does not know", path, major)
	}
	if driver/1000 < major {
		return fmt.Errorf("%s is for CUDA %d, but NVIDIA's driver is for CUDA %d.%d: install a newer driver, or libraries for CUDA %d",
			path, major, driver/1000, driver/10%100, driver/1000)
	}
	// cuDNN asks for these by their names when it computes, so they are loaded first.
	if err := f.each(fmt.Sprintf("%s.%d", cublasLtName, major), major, func(handle uintptr, _ string) (err error) {
		l.cublasLt, err = newCublasLt(handle)
		return err
	}); err != nil {
		return fmt.Errorf("%s is for CUDA %d: %w", path, major, err)
	}
	if err := f.each(fmt.Sprintf("%s.%d", nvrtcName, major), major, func(handle uintptr, _ string) (err error) {
		l.nvrtc, err = newNVRTC(handle)
		return err
	}); err != nil {
		return fmt.Errorf("%s is for CUDA %d: %w", path, major, err)
	}
	return f.preload(path)
}

// cudnnParts are the libraries of cuDNN that convolutions need, each before those that need it.
var cudnnParts = []string{"libcudnn_graph.so.9", "libcudnn_ops.so.9", "libcudnn_cnn.so.9"}

// preload loads the parts of cuDNN beside it, whose absence cuDNN would say less clearly.
func (f finder) preload(path string) error {
	for _, part := range cudnnParts {
		part = filepath.Join(filepath.Dir(path), part)
		if !filepath.IsAbs(part) || !f.exists(part) {
			continue
		}
		if _, err := f.open(part); err != nil {
			return fmt.Errorf("%s, a part of cuDNN, does not load: %w", part, err)
		}
	}
	return nil
}
