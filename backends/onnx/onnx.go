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
	"sync/atomic"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/backends/internal/kernel"
)

func init() { backends.Register("onnx", open) }

type backend struct {
	library  string
	settings settings
	info     backends.Info
	closed   atomic.Bool
}

// settings are how sessions run.
type settings struct {
	threads  int
	spin     bool
	provider provider
	profile  string       // file of the profile of training; "" for none
	own      bool         // compute by goclr's operators
	level    kernel.Level // of those
}

func open(ctx context.Context, o backends.Options) (backends.Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := errors.Join(backends.OnlyFloat32(o.Precision), backends.OnlyInOrder(o.AnyOrder)); err != nil {
		return nil, err
	}
	p, err := newProvider(o)
	if err != nil {
		return nil, err
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
	b, err := openBackend(ctx, o, p, library)
	if err != nil {
		return nil, errors.Join(err, release())
	}
	b.info.Library = fmt.Sprintf("ONNX Runtime %s (sha256 %.12s)", ort.GetVersion(), digest)
	if b.settings.own {
		b.info.Library += fmt.Sprintf(" with goclr's operators %s for %v (%s)", kernel.Revision(), b.settings.level, kernel.Compiler())
	}
	return b, nil
}

// openBackend tries what computes before it is relied on. The library is loaded.
func openBackend(ctx context.Context, o backends.Options, p provider, library string) (*backend, error) {
	if err := p.check(library); err != nil {
		return nil, err
	}
	b := &backend{
		library:  library,
		settings: settings{threads: o.Threads, spin: o.Spin, provider: p, profile: o.Profile},
		info:     backends.Info{Backend: "onnx", Device: p.device, CPU: backends.CPUName(), Threads: o.Threads, Provider: p.info(nvidia)},
	}
	switch {
	case p.name != "":
		return b, trial(ctx, library, b.settings, maxProviderError)
	case o.StandardOperators:
		return b, nil
	}
	own := b.settings
	own.own, own.level = true, kernel.Fastest()
	err := trial(ctx, library, own, maxOwnError)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil:
		b.settings = own
	case o.Warn != nil:
		o.Warn(fmt.Sprintf("goclr's operators fail on this machine, so the slower ones of ONNX compute: %v", err))
	}
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
	p, err := compile(ctx, s, b.library, b.settings)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	return p, nil
}
