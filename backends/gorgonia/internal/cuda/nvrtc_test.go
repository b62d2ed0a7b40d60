//go:build linux

package cuda

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
)

func standInNVRTC(t *testing.T) (*nvrtc, *stub.Libraries) {
	t.Helper()
	l := stub.Open(t)
	n, err := newNVRTC(open(t, l, "libnvrtc.so.13"))
	if err != nil {
		t.Fatal(err)
	}
	return n, l
}

const smallKernel = `#include "a.cuh"
struct arguments { int *out; };
KERNEL(small, arguments) { *a.out = VALUE; }
`

var (
	smallProgram = source{"small.cu", smallKernel}
	smallHeaders = []source{{"a.cuh", `#include "emulate.h"` + "\n#define VALUE 3\n"}}
	smallOptions = []string{"--gpu-architecture=sm_90", "-DA=1"}
)

func TestCompilerKeepsMachineCode(t *testing.T) {
	n, l := standInNVRTC(t)
	c := compiler{n, t.TempDir()}
	compiled := 0
	compile := func(program source, headers []source, options ...string) []byte {
		t.Helper()
		cubin, err := c.cached(program, headers, options)
		if err != nil {
			t.Fatal(err)
		}
		compiled = strings.Count(strings.Join(l.Log(), "\n"), "nvrtcCompileProgram")
		return cubin
	}
	first := compile(smallProgram, smallHeaders, smallOptions...)
	if again := compile(smallProgram, smallHeaders, smallOptions...); !bytes.Equal(again, first) || compiled != 1 {
		t.Errorf("compiled %d times", compiled)
	}
	compile(smallProgram, []source{{"a.cuh", smallHeaders[0].text + "\n"}}, smallOptions...)
	compile(smallProgram, smallHeaders, "--gpu-architecture=sm_80", "-DA=1")
	compile(source{"other.cu", smallKernel}, smallHeaders, smallOptions...)
	if compiled != 4 {
		t.Errorf("compiled %d times for other sources and options", compiled)
	}
	n.minor++
	compile(smallProgram, smallHeaders, smallOptions...)
	n.minor--
	if compiled != 5 {
		t.Error("another NVRTC took the machine code of this one")
	}

	files, err := filepath.Glob(filepath.Join(c.directory, "*"))
	if err != nil || len(files) != 5 {
		t.Fatalf("kept %q: %v", files, err)
	}
	for i, damage := range []func(b []byte) []byte{
		func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		func(b []byte) []byte { return b[:len(b)-1] },
		func([]byte) []byte { return nil },
		func(b []byte) []byte { return b[:10] },
	} {
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if again := compile(smallProgram, smallHeaders, smallOptions...); len(again) != len(first) || compiled != 6+i {
			t.Errorf("damage %d was not noticed", i)
		}
	}
}

func TestCompilerWithoutADirectory(t *testing.T) {
	n, _ := standInNVRTC(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, directory := range []string{"", file} {
		if _, err := (compiler{n, directory}).cached(smallProgram, smallHeaders, smallOptions); err != nil {
			t.Errorf("directory %q: %v", directory, err)
		}
	}
}

func TestCompileErrorsHaveTheLog(t *testing.T) {
	n, _ := standInNVRTC(t)
	_, err := n.compile(source{"wrong.cu", "int main( {"}, nil, smallOptions)
	for _, part := range []string{"wrong.cu", "sm_90", "NVRTC_ERROR_COMPILATION", "error: expected"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
}

func TestArchitecture(t *testing.T) {
	n, _ := standInNVRTC(t)
	for _, c := range []struct{ major, minor, want int }{{9, 0, 90}, {8, 0, 80}, {8, 6, 86}, {8, 9, 86}, {8, 7, 86}, {7, 5, 75}, {12, 0, 0}, {7, 0, 0}} {
		got, err := n.architecture(c.major, c.minor)
		if got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("%d.%d: sm_%d, want sm_%d: %v", c.major, c.minor, got, c.want, err)
		}
	}
}

func TestDamagedMachineCodeIsRefused(t *testing.T) {
	g, _ := standIn(t)
	if err := g.load(bytes.Repeat([]byte{0}, 100)); err == nil || !strings.Contains(err.Error(), "CUDA_ERROR_INVALID_IMAGE") {
		t.Errorf("loaded zeros: %v", err)
	}
}

// TestNVRTCCompilesAllKernels takes NVIDIA's own compiler, of both major versions.
func TestNVRTCCompilesAllKernels(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for _, major := range cudaMajors {
		t.Run(fmt.Sprintf("CUDA %d", major), func(t *testing.T) {
			paths := realLibraries(t, fmt.Sprintf("%s.%d", nvrtcName, major))
			if len(paths) == 0 {
				t.Skip("NVRTC is not among Python's packages")
			}
			library, err := openLibrary(paths[0])
			if err != nil {
				t.Fatal(err)
			}
			n, err := newNVRTC(library)
			if err != nil {
				t.Fatal(err)
			}
			if n.major != major {
				t.Errorf("%s is NVRTC %d.%d", paths[0], n.major, n.minor)
			}
			for _, capability := range []int{8, 9} {
				for _, p := range []precision{fp32, bf16} { // tf32 has the kernels of fp32
					name := precisionNames[p]
					cubins, err := compiler{nvrtc: n}.compile(capability, 0, p)
					if err != nil {
						t.Fatalf("sm_%d0, %s: %v", capability, name, err)
					}
					for _, cubin := range cubins {
						if !bytes.HasPrefix(cubin, []byte("\x7fELF")) {
							t.Errorf("sm_%d0, %s: machine code begins with %q", capability, name, cubin[:4])
						}
					}
				}
			}
			if _, err := n.compile(source{"wrong.cu", "int f( {"}, nil, []string{"--gpu-architecture=sm_90"}); err == nil || !strings.Contains(err.Error(), "error: expected") {
				t.Errorf("an error without the compiler's log: %v", err)
			}
		})
	}
}
