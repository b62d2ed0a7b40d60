//go:build linux

// Package stub lets tests run the code for GPUs on a machine without one: it builds shared libraries that stand for those of CUDA,
// compute on the host in memory that only they can touch, and record what was asked of them. It needs g++.
package stub

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/ebitengine/purego"
)

//go:embed libraries
var libraries embed.FS

// products are the libraries, with what each is built of.
var products = []struct{ library, source, option string }{
	{"libcuda.so.1", "cuda.cpp", ""},
	{"libnvrtc.so.12", "nvrtc.cpp", "-DSTUB_MAJOR=12"},
	{"libnvrtc.so.13", "nvrtc.cpp", "-DSTUB_MAJOR=13"},
	{"libcublasLt.so.12", "cublaslt.cpp", "-DSTUB_MAJOR=12"},
	{"libcublasLt.so.13", "cublaslt.cpp", "-DSTUB_MAJOR=13"},
	{"libcudnn.so.9", "cudnn.cpp", ""},
}

// Libraries are loaded once in a process; a test must not run beside another that uses them.
type Libraries struct {
	Directory string // has the libraries, under the names of CUDA's
	Cache     string // keeps compiled kernels from one run of the tests to the next

	set             func(name, value string)
	reset           func()
	log             func() string
	allocated, held func() int
}

var build = sync.OnceValues(load)

// Open builds the libraries, unless an earlier run of the tests did, and resets them. It skips the test where there is no g++.
func Open(t testing.TB) *Libraries {
	t.Helper()
	if _, err := exec.LookPath("g++"); err != nil {
		t.Skip("no g++ to build the libraries that stand for CUDA's")
	}
	l, err := build()
	if err != nil {
		t.Fatal(err)
	}
	l.reset()
	l.set("emulate", emulate())
	return l
}

// Use has the code under test find the libraries by the environment, and keep what it compiles beside them.
func (l *Libraries) Use(t testing.TB) {
	t.Helper()
	t.Setenv("GOCLR_CUDA", l.Directory)
	t.Setenv("XDG_CACHE_HOME", l.Cache)
}

// Environment has a process find the libraries in a directory, with settings as name=value. It appends the calls of the process to a file,
// unless that is "".
func (l *Libraries) Environment(directory, record string, settings ...string) []string {
	return append(os.Environ(), "GOCLR_CUDA="+directory, "XDG_CACHE_HOME="+l.Cache, "VIRTUAL_ENV=", "CONDA_PREFIX=",
		"GOCLR_STUB_SETTINGS="+strings.Join(append(settings, "emulate="+emulate()), " "), "GOCLR_STUB_RECORD="+record)
}

// Set gives a name a value that the libraries read, a number:
//
//	devices, major, minor           how many GPUs there are, and their compute capability
//	ptx                             the error of loading PTX
//	driver                          the version of CUDA that the driver is for
//	memory, pinned                  bytes of the GPU's memory, and of the host's that can be pinned at once
//	late                            bytes that each kernel and library takes when it first computes
//	fail_allocation                 which allocation fails, counted from 1 after Set
//	fail_copy                       likewise of copies and of setting memory
//	early                           1: copies from the host begin as soon as they may, and not when something waits for them
//	fail_launch, refuse_launch      likewise of kernels: the GPU is lost, or it is not
//	interrupt_upload                the copy to the device, counted from 1, that sends the process SIGINT
//	fail_download, fill_download    the copy from the device at which the GPU is lost, or another process takes all memory that is free
//	failure, cuInit                 the error of such a kernel, and of cuInit
//	capture_begin, capture_end      the error of taking a graph down, when it begins and when it ends
//	capture_refuse                  which kernel of a graph may not be taken down, counted from 1
//	graph_make, graph_upload        and of making it ready to be launched
//	graph_start                     and of launching it
//	nvrtc_minor                     the minor version of NVRTC
//	cudnn_cudart                    the version of CUDA that cuDNN is for
//	cudnn_create, cublaslt_create   the status of making a handle
//	cudnn_status, cublaslt_status   the status of each computation
//	cudnn_workspace                 bytes that a convolution wants, for each image
//	cudnn_refused                   the algorithm of a convolution that is not supported after all
//	cudnn_any_order                 1: there is no algorithm with the same bits each time
//	cudnn_none, cublaslt_none       1: there is none at all
func (l *Libraries) Set(name string, value any) { l.set(name, fmt.Sprint(value)) }

// Log returns the calls since Open, one a line.
func (l *Libraries) Log() []string { return strings.Split(strings.TrimSuffix(l.log(), "\n"), "\n") }

// Allocated is how many bytes of the device's memory are allocated.
func (l *Libraries) Allocated() int { return l.allocated() }

// Held counts the modules, stretches of pinned memory, streams, events, graphs, contexts and handles that were made and not given back.
func (l *Libraries) Held() int { return l.held() }

// emulate is the directory of emulate.h.
func emulate() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(filepath.Dir(file)), "emulate")
}

func load() (*Libraries, error) {
	directory, err := built()
	if err != nil {
		return nil, err
	}
	handle, err := purego.Dlopen(filepath.Join(directory, products[0].library), purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	l := &Libraries{Directory: directory, Cache: filepath.Join(directory, "cache")}
	purego.RegisterLibFunc(&l.set, handle, "stub_set")
	purego.RegisterLibFunc(&l.reset, handle, "stub_reset")
	purego.RegisterLibFunc(&l.log, handle, "stub_log")
	purego.RegisterLibFunc(&l.allocated, handle, "stub_allocated")
	purego.RegisterLibFunc(&l.held, handle, "stub_held")
	return l, nil
}

// built returns the directory of the libraries, which is named after what they are built of.
func built() (string, error) {
	digest := sha256.New()
	entries, err := libraries.ReadDir("libraries")
	if err != nil {
		return "", err
	}
	texts := map[string][]byte{}
	for _, e := range entries {
		if texts[e.Name()], err = libraries.ReadFile("libraries/" + e.Name()); err != nil {
			return "", err
		}
		digest.Write(texts[e.Name()])
	}
	emulation, err := os.ReadFile(filepath.Join(emulate(), "emulate.h"))
	if err != nil {
		return "", err
	}
	digest.Write(emulation)
	fmt.Fprint(digest, products)
	directory := filepath.Join(os.TempDir(), "goclr-cuda-stub-"+hex.EncodeToString(digest.Sum(nil)[:8]))
	if _, err := os.Stat(directory); err == nil {
		return directory, nil
	}
	aside, err := os.MkdirTemp("", "goclr-cuda-stub-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(aside)
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(aside, name), text, 0o600); err != nil {
			return "", err
		}
	}
	for _, p := range products {
		arguments := []string{"-std=c++17", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-Wl,-soname," + p.library, "-o", p.library, p.source}
		if p.option != "" {
			arguments = append(arguments, p.option)
		}
		if p.library != products[0].library {
			arguments = append(arguments, "-L.", "-l:"+products[0].library, "-Wl,-rpath,$ORIGIN")
		}
		command := exec.Command("g++", append(arguments, "-ldl")...)
		command.Dir = aside
		if out, err := command.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", p.library, err, out)
		}
	}
	if err := os.Rename(aside, directory); err != nil {
		if _, built := os.Stat(directory); built != nil { // another process may have been first
			return "", err
		}
	}
	return directory, nil
}
