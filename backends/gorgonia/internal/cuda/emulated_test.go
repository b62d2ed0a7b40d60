package cuda

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
)

// An emulation runs kernels that a C++ compiler has built for the host; see emulate/emulate.h. What they read and write is memory of
// the host.
type emulation struct {
	libraries []uintptr // one for each file, so that what files call alike stays apart
	running   sync.Mutex
}

// emulations are built when a test first asks for one: for images of float32 and for those of bfloat16.
var emulations = map[bool]func(t *testing.T) (*emulation, error){false: emulateOnce(false), true: emulateOnce(true)}

// emulated returns a launcher on the host. A test without a C++ compiler is skipped.
func emulated(t *testing.T, bf16 bool) launcher {
	t.Helper()
	if _, err := exec.LookPath("g++"); err != nil {
		t.Skip("needs g++, which builds the kernels for the host")
	}
	e, err := emulations[bf16](t)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func emulateOnce(bf16 bool) func(t *testing.T) (*emulation, error) {
	var once sync.Once
	var e *emulation
	var err error
	return func(t *testing.T) (*emulation, error) {
		once.Do(func() { e, err = emulate(t.TempDir(), bf16) })
		return e, err
	}
}

// emulate builds all kernels in a directory, which may go when it returns.
func emulate(directory string, bf16 bool) (*emulation, error) {
	files, err := filepath.Glob("kernels/*.cu")
	if err != nil {
		return nil, err
	}
	precision := "-DIMAGE_BF16=0"
	if bf16 {
		precision = "-DIMAGE_BF16=1"
	}
	e := &emulation{}
	for _, file := range files {
		library := filepath.Join(directory, strings.TrimSuffix(filepath.Base(file), ".cu")+".so")
		build := exec.Command("g++", "-std=c++17", "-O2", "-fno-strict-aliasing", "-Wall", "-Wno-unknown-pragmas",
			"-fsanitize=alignment,bounds", "-fsanitize-undefined-trap-on-error", // a GPU reads 16 bytes only where they are aligned
			"-fno-gnu-unique", "-fPIC", "-shared", "-DEMULATED", precision, "-Iemulate", "-Ikernels", "-x", "c++", file, "-o", library)
		if said, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%v: %w\n%s", build, err, said)
		}
		handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err != nil {
			return nil, err
		}
		e.libraries = append(e.libraries, handle)
	}
	return e, nil
}

func (e *emulation) launch(kernel string, x, y int, arguments unsafe.Pointer) error {
	if x < 1 || y < 1 || y > 65535 {
		return fmt.Errorf("kernel %s: a GPU has no grid of %d by %d blocks", kernel, x, y)
	}
	for _, library := range e.libraries {
		entry, err := purego.Dlsym(library, kernel)
		if err != nil {
			continue
		}
		e.running.Lock()
		defer e.running.Unlock()
		if failed, _, _ := purego.SyscallN(entry, uintptr(arguments), uintptr(x), uintptr(y), 256); failed != 0 {
			return fmt.Errorf("kernel %s: the threads of a block do not meet at the same barriers", kernel)
		}
		return nil
	}
	return fmt.Errorf("no file in kernels/ has a kernel %s", kernel)
}
