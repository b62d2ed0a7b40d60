package cuda

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sourcegraph/conc"
)

// A compiler makes machine code of the embedded sources, and keeps it in a directory for the next time.
type compiler struct {
	nvrtc     *nvrtc
	directory string // "": keep nothing
}

// defaultCache is the directory for machine code; it is empty where a user has none.
func defaultCache() string {
	directory, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(directory, "goclr", "cuda")
}

// compile returns the machine code of all kernels for GPUs of a compute capability, with images of a precision. NVRTC compiles the
// programs side by side.
func (c compiler) compile(major, minor int, p precision) ([][]byte, error) {
	programs, headers, err := programs()
	if err != nil {
		return nil, err
	}
	architecture, err := c.nvrtc.architecture(major, minor)
	if err != nil {
		return nil, err
	}
	image := 0
	if p == bf16 {
		image = 1
	}
	options := []string{
		fmt.Sprintf("--gpu-architecture=sm_%d", architecture), "--std=c++17", "-default-device",
		fmt.Sprintf("-DIMAGE_BF16=%d", image),
	}
	cubins, errs := make([][]byte, len(programs)), make([]error, len(programs))
	var group conc.WaitGroup
	for i, program := range programs {
		group.Go(func() { cubins[i], errs[i] = c.cached(program, headers, options) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return cubins, nil
}

// cached is the machine code of a program, as kept if it is.
func (c compiler) cached(program source, headers []source, options []string) ([]byte, error) {
	if c.directory == "" {
		return c.nvrtc.compile(program, headers, options)
	}
	file := filepath.Join(c.directory, c.key(program, headers, options)+".cubin")
	if cubin, ok := readCubin(file); ok {
		return cubin, nil
	}
	cubin, err := c.nvrtc.compile(program, headers, options)
	if err == nil {
		writeCubin(file, cubin)
	}
	return cubin, err
}

// key is a digest of all that decides about machine code.
func (c compiler) key(program source, headers []source, options []string) string {
	digest := sha256.New()
	add := func(s string) { fmt.Fprintf(digest, "%d:%s", len(s), s) }
	fmt.Fprintf(digest, "NVRTC %d.%d ", c.nvrtc.major, c.nvrtc.minor)
	for _, s := range append([]source{program}, headers...) {
		add(s.name)
		add(s.text)
	}
	for _, o := range options {
		add(o)
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// readCubin reads machine code that writeCubin wrote; ok is false where there is none, or a damaged one. A file is the SHA-256 of the
// code and the code.
func readCubin(file string) (cubin []byte, ok bool) {
	b, err := os.ReadFile(file)
	if err != nil || len(b) <= sha256.Size {
		return nil, false
	}
	cubin = b[sha256.Size:]
	return cubin, sha256.Sum256(cubin) == [sha256.Size]byte(b)
}

// writeCubin keeps machine code. Where it cannot, the code is compiled again the next time.
func writeCubin(file string, cubin []byte) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return
	}
	aside, err := os.CreateTemp(filepath.Dir(file), "*.tmp")
	if err != nil {
		return
	}
	defer os.Remove(aside.Name())
	sum := sha256.Sum256(cubin)
	_, err = aside.Write(append(sum[:], cubin...))
	if closed := aside.Close(); err == nil && closed == nil {
		_ = os.Rename(aside.Name(), file)
	}
}
