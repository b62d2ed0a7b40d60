package cuda

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
)

// TestKernelsCompile gives all kernels to NVIDIA's compiler, which needs no GPU: that of GOCLR_NVRTC, or of the packages of pip in the
// active virtual environment.
func TestKernelsCompile(t *testing.T) {
	library := os.Getenv("GOCLR_NVRTC")
	if found, _ := filepath.Glob(filepath.Join(os.Getenv("VIRTUAL_ENV"), "lib/python3*/site-packages/nvidia/cu13/lib/libnvrtc.so.13")); library == "" && len(found) > 0 {
		library = found[0]
	}
	if library == "" {
		t.Skip("needs NVRTC: set GOCLR_NVRTC to the path of libnvrtc.so.13, which pip install nvidia-cuda-nvrtc has")
	}
	nvrtc, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		t.Fatal(err)
	}
	c := &realCompiler{t: t, library: nvrtc}
	for _, file := range c.files("kernels/*.cuh") {
		c.names = append(c.names, c.text([]byte(filepath.Base(file))))
		c.headers = append(c.headers, c.source(file))
	}
	for _, file := range c.files("kernels/*.cu") {
		for _, architecture := range []string{"sm_80", "sm_90"} {
			for bf16 := range 2 {
				t.Run(fmt.Sprintf("%s/%s/bf16=%d", filepath.Base(file), architecture, bf16), func(t *testing.T) {
					c.t = t
					c.compile(file, "--gpu-architecture="+architecture, "--std=c++17", "-default-device", fmt.Sprintf("-DIMAGE_BF16=%d", bf16))
				})
			}
		}
	}
}

// A realCompiler is an open NVRTC, with the headers that all kernels may include. What the library writes to lies here, since a
// variable on Go's stack may move.
type realCompiler struct {
	t              *testing.T
	library        uintptr
	names, headers []*byte
	program        uintptr
	size           uint
}

func (c *realCompiler) files(pattern string) []string {
	c.t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		c.t.Fatalf("no files %s: %v", pattern, err)
	}
	return files
}

func (c *realCompiler) source(file string) *byte {
	c.t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.text(b)
}

func (c *realCompiler) text(b []byte) *byte { return &append(b, 0)[0] }

// call calls a function of the library, whose arguments must be kept alive, and returns what it returns.
func (c *realCompiler) call(name string, arguments ...uintptr) uintptr {
	c.t.Helper()
	function, err := purego.Dlsym(c.library, name)
	if err != nil {
		c.t.Fatal(err)
	}
	result, _, _ := purego.SyscallN(function, arguments...)
	return result
}

func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

func (c *realCompiler) compile(file string, options ...string) {
	c.t.Helper()
	source, name := c.source(file), c.text([]byte(file))
	given := make([]*byte, len(options))
	for i, o := range options {
		given[i] = c.text([]byte(o))
	}
	if r := c.call("nvrtcCreateProgram", address(&c.program), address(source), address(name), uintptr(len(c.headers)),
		address(&c.headers[0]), address(&c.names[0])); r != 0 {
		c.t.Fatalf("nvrtcCreateProgram returns %d", r)
	}
	defer c.call("nvrtcDestroyProgram", address(&c.program))
	result := c.call("nvrtcCompileProgram", c.program, uintptr(len(given)), address(&given[0]))
	c.call("nvrtcGetProgramLogSize", c.program, address(&c.size))
	log := make([]byte, c.size+1)
	c.call("nvrtcGetProgramLog", c.program, address(&log[0]))
	c.call("nvrtcGetCUBINSize", c.program, address(&c.size))
	if result != 0 || c.size == 0 || c.size > 1<<24 {
		c.t.Errorf("%s with %v does not compile (%d):\n%s", file, options, result, log)
	}
	runtime.KeepAlive([]any{source, name, given})
}
