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
	smallTarget  = target{architecture: 90}
	smallOptions = []string{"-DA=1"}
)

func TestCompilerKeepsCode(t *testing.T) {
	n, l := standInNVRTC(t)
	c := compiler{n, t.TempDir()}
	compiled := 0
	compile := func(program source, headers []source, to target, options ...string) []byte {
		t.Helper()
		code, err := c.cached(program, headers, to, options)
		if err != nil {
			t.Fatal(err)
		}
		compiled = strings.Count(strings.Join(l.Log(), "\n"), "nvrtcCompileProgram")
		return code
	}
	first := compile(smallProgram, smallHeaders, smallTarget, smallOptions...)
	if again := compile(smallProgram, smallHeaders, smallTarget, smallOptions...); !bytes.Equal(again, first) || compiled != 1 {
		t.Errorf("compiled %d times", compiled)
	}
	compile(smallProgram, []source{{"a.cuh", smallHeaders[0].text + "\n"}}, smallTarget, smallOptions...)
	compile(smallProgram, smallHeaders, target{architecture: 80}, smallOptions...)
	compile(smallProgram, smallHeaders, smallTarget, "-DA=2")
	compile(source{"other.cu", smallKernel}, smallHeaders, smallTarget, smallOptions...)
	if ptx := compile(smallProgram, smallHeaders, target{90, true}, smallOptions...); !bytes.HasPrefix(ptx, []byte("stub ptx")) || ptx[len(ptx)-1] != 0 {
		t.Errorf("PTX is %q ... %q", ptx[:8], ptx[len(ptx)-1:])
	}
	if compiled != 6 {
		t.Errorf("compiled %d times for other sources, targets and options", compiled)
	}
	n.minor++
	compile(smallProgram, smallHeaders, smallTarget, smallOptions...)
	n.minor--
	if compiled != 7 {
		t.Error("another NVRTC took the code of this one")
	}

	files, err := filepath.Glob(filepath.Join(c.directory, "*"))
	if err != nil || len(files) != 7 {
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
		if again := compile(smallProgram, smallHeaders, smallTarget, smallOptions...); len(again) != len(first) || compiled != 8+i {
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
		if _, err := (compiler{n, directory}).cached(smallProgram, smallHeaders, smallTarget, smallOptions); err != nil {
			t.Errorf("directory %q: %v", directory, err)
		}
	}
}

func TestCompileErrorsHaveTheLog(t *testing.T) {
	n, _ := standInNVRTC(t)
	_, err := n.compile(source{"wrong.cu", "int main( {"}, nil, smallTarget, smallOptions)
	for _, part := range []string{"wrong.cu", "sm_90", "NVRTC_ERROR_COMPILATION", "error: expected"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
}

// TestTarget asks for what to compile for GPUs that NVRTC knows, does not know yet, and has forgotten.
func TestTarget(t *testing.T) {
	n, _ := standInNVRTC(t)
	for _, c := range []struct {
		major, minor int
		want         string
	}{
		{9, 0, "sm_90"}, {8, 0, "sm_80"}, {8, 6, "sm_86"}, {8, 9, "sm_86"}, {8, 7, "sm_86"}, {7, 5, "sm_75"},
		{10, 0, "compute_90"}, {12, 1, "compute_90"},
	} {
		if got, err := n.target(c.major, c.minor); err != nil || got.String() != c.want {
			t.Errorf("%d.%d: %v, want %s: %v", c.major, c.minor, got, c.want, err)
		}
	}
	_, err := n.target(7, 0)
	for _, part := range []string{"7.5 and later", "has 7.0", "older CUDA in GOCLR_CUDA"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
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
			for _, capability := range []int{8, 9, 99} {
				to, err := n.target(capability, 0)
				if err != nil {
					t.Fatal(err)
				}
				if unknown := capability == 99; to.virtual != unknown {
					t.Errorf("compiles %v for a GPU of capability %d.0", to, capability)
				}
				for _, p := range []precision{fp32, bf16} { // tf32 has the kernels of fp32
					codes, err := compiler{nvrtc: n}.compile(to, p)
					if err != nil {
						t.Fatalf("%v, %s: %v", to, precisionNames[p], err)
					}
					for _, code := range codes {
						checkCode(t, to, code)
					}
				}
			}
			if _, err := n.compile(source{"wrong.cu", "int f( {"}, nil, target{architecture: 90}, nil); err == nil || !strings.Contains(err.Error(), "error: expected") {
				t.Errorf("an error without the compiler's log: %v", err)
			}
		})
	}
}

// checkCode looks at what NVIDIA's compiler made.
func checkCode(t *testing.T, to target, code []byte) {
	t.Helper()
	if !to.virtual {
		if !bytes.HasPrefix(code, []byte("\x7fELF")) {
			t.Errorf("%v: machine code begins with %q", to, code[:4])
		}
		return
	}
	text, rest, ended := strings.Cut(string(code), "\x00")
	if !ended || rest != "" || !strings.Contains(text, ".version ") || !strings.Contains(text, fmt.Sprintf(".target sm_%d\n", to.architecture)) ||
		!strings.Contains(text, ".entry ") {
		t.Errorf("%v: no PTX that ends with a NUL: %.300q", to, text)
	}
}
