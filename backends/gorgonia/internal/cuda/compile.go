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

// A compiler makes code for a GPU of the embedded sources, and keeps it in a directory for the next time.
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

// compile returns the code of all kernels for a kind of GPU, with images of a precision. NVRTC compiles the programs side by side.
func (c compiler) compile(to target, p precision) ([][]byte, error) {
	programs, headers, err := programs()
	if err != nil {
		return nil, err
	}
	image := 0
	if p == bf16 {
		image = 1
	}
	options := []string{"--std=c++17", "-default-device", fmt.Sprintf("-DIMAGE_BF16=%d", image)}
	codes, errs := make([][]byte, len(programs)), make([]error, len(programs))
	var group conc.WaitGroup
	for i, program := range programs {
		group.Go(func() { codes[i], errs[i] = c.cached(program, headers, to, options) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return codes, nil
}

// cached is the code of a program, as kept if it is.
func (c compiler) cached(program source, headers []source, to target, options []string) ([]byte, error) {
	if c.directory == "" {
		return c.nvrtc.compile(program, headers, to, options)
	}
	file := filepath.Join(c.directory, c.key(program, headers, to, options))
	if code, ok := readCode(file); ok {
		return code, nil
	}
	code, err := c.nvrtc.compile(program, headers, to, options)
	if err == nil {
		writeCode(file, code)
	}
	return code, err
}

// key is the name of a file for code: a digest of all that decides about it, and its kind.
func (c compiler) key(program source, headers []source, to target, options []string) string {
	digest := sha256.New()
	add := func(s string) { fmt.Fprintf(digest, "%d:%s", len(s), s) }
	fmt.Fprintf(digest, "NVRTC %d.%d %v ", c.nvrtc.major, c.nvrtc.minor, to)
	for _, s := range append([]source{program}, headers...) {
		add(s.name)
		add(s.text)
	}
	for _, o := range options {
		add(o)
	}
	kind := ".cubin"
	if to.virtual {
		kind = ".ptx"
	}
	return hex.EncodeToString(digest.Sum(nil)) + kind
}

// readCode reads code that writeCode wrote; ok is false where there is none, or a damaged one. A file is the SHA-256 of the code and the
// code.
func readCode(file string) (code []byte, ok bool) {
	b, err := os.ReadFile(file)
	if err != nil || len(b) <= sha256.Size {
		return nil, false
	}
	code = b[sha256.Size:]
	return code, sha256.Sum256(code) == [sha256.Size]byte(b)
}

// writeCode keeps code. Where it cannot, the code is compiled again the next time.
func writeCode(file string, code []byte) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return
	}
	aside, err := os.CreateTemp(filepath.Dir(file), "*.tmp")
	if err != nil {
		return
	}
	defer os.Remove(aside.Name())
	sum := sha256.Sum256(code)
	_, err = aside.Write(append(sum[:], code...))
	if closed := aside.Close(); err == nil && closed == nil {
		_ = os.Rename(aside.Name(), file)
	}
}
