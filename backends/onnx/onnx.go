package onnx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/klauspost/cpuid/v2"
	ort "github.com/yalue/onnxruntime_go"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/internal/kernel"
)

func init() { backends.Register("onnx", open) }

// devices are what Options.Device may name.
var devices = []string{"cpu"}

type backend struct {
	library string
	own     bool         // compute by goclr's operators
	level   kernel.Level // of those
	info    backends.Info
	closed  atomic.Bool
}

func open(ctx context.Context, o backends.Options) (backends.Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Device != "" && o.Device != "cpu" {
		return nil, fmt.Errorf("unknown device %q: this backend has %s", o.Device, strings.Join(devices, ", "))
	}
	if o.Threads < 0 {
		return nil, fmt.Errorf("%d threads: name at least 1, or 0 for one on each CPU", o.Threads)
	}
	if o.Threads == 0 {
		o.Threads = runtime.NumCPU()
	}
	library, err := FindLibrary(o.Library)
	if err != nil {
		return nil, err
	}
	digest, err := fileDigest(library)
	if err != nil {
		return nil, err
	}
	if err := hold(library); err != nil {
		return nil, err
	}
	b := &backend{library: library, level: kernel.Fastest(), info: backends.Info{
		Backend: "onnx",
		Device:  "cpu",
		Library: fmt.Sprintf("ONNX Runtime %s (sha256 %.12s)", ort.GetVersion(), digest),
		CPU:     cpuName(),
		Threads: o.Threads,
	}}
	if o.StandardOperators {
		return b, nil
	}
	b.own = true
	if err := b.selfTest(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), b.Close())
		}
		b.own = false
		if o.Warn != nil {
			o.Warn(fmt.Sprintf("goclr's operators do not compute what those of ONNX do on this machine, which are slower and are used instead: %v", err))
		}
		return b, nil
	}
	b.info.Library += fmt.Sprintf(" with goclr's operators for %v", b.level)
	return b, nil
}

// fileDigest is the SHA-256 of a file: one version of the library has several builds, whose results differ in the last bits.
func fileDigest(path string) (digest string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// cpuName names the processor and its instruction set, as a hypervisor may hide the former.
func cpuName() string {
	c := cpuid.CPU
	name := c.BrandName
	if name == "" {
		name = runtime.GOARCH
	}
	if level := c.X64Level(); level > 0 {
		name += fmt.Sprintf(", family %d model %d, x86-64-v%d", c.Family, c.Model, level)
	}
	return name
}

func (b *backend) Info() backends.Info { return b.info }

// Close leaves programs that are still open usable.
func (b *backend) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	return release()
}

func (b *backend) Compile(ctx context.Context, s *graph.Step) (backends.Program, error) {
	if b.closed.Load() {
		return nil, errors.New("compile: the backend is closed")
	}
	p, err := compile(ctx, s, b)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	return p, nil
}
