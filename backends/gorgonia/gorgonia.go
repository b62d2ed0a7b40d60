package gorgonia

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/gorgonia/internal/cpu"
	"github.com/goclr/goclr/backends/gorgonia/internal/cuda"
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// version is that of Gorgonia; a test compares it with go.mod.
const version = "v0.9.18"

func init() { backends.Register("gorgonia", open) }

func open(ctx context.Context, o backends.Options) (backends.Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	number, isCUDA, err := backends.CUDADevice(o.Device)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Threads < 0:
		return nil, fmt.Errorf("%d threads: name at least 1, or 0 for one on each CPU", o.Threads)
	case o.Provider != "" || len(o.ProviderOptions) > 0:
		return nil, errors.New("execution providers are those of ONNX Runtime: leave them out, or use backend onnx")
	case o.Library != "":
		return nil, fmt.Errorf("%s would be the library of ONNX Runtime, which this backend does without: leave it out, or use backend onnx", o.Library)
	}
	if o.Threads == 0 {
		o.Threads = runtime.NumCPU()
	}
	if isCUDA {
		return openCUDA(number, o)
	}
	if err := errors.Join(backends.OnlyFloat32(o.Precision), backends.OnlyInOrder(o.AnyOrder)); err != nil {
		return nil, err
	}
	d, err := cpu.New(cpu.Options{Threads: o.Threads, Plain: o.StandardOperators, Spin: o.Spin})
	if err != nil {
		return nil, err
	}
	return newBackend(d, "cpu", o), nil
}

// openCUDA opens a GPU.
func openCUDA(number int, o backends.Options) (backends.Backend, error) {
	switch {
	case o.StandardOperators:
		return nil, errors.New("a GPU has no operators but goclr's: leave the option StandardOperators out")
	case o.Profile != "":
		return nil, errors.New("operators of a GPU run after they were started, so their times are not known here: profile with nsys of the CUDA toolkit instead, and its option --cuda-graph-trace=node")
	}
	d, err := cuda.Open(cuda.Options{Ordinal: number, Precision: o.Precision, AnyOrder: o.AnyOrder, Warn: o.Warn})
	if err != nil {
		return nil, err
	}
	b := newBackend(d, fmt.Sprintf("cuda:%d", number), o)
	if os.Getenv("CUDA_LAUNCH_BLOCKING") == "1" { // the driver is to wait for each kernel, so that an error tells which it is of
		b.recorder.device = nil
	}
	return b, nil
}

func newBackend(d device.Device, name string, o backends.Options) *backend {
	precision := o.Precision
	if precision == "fp32" {
		precision = ""
	}
	return &backend{device: d, recorder: newRecorder(d, o.Warn), profile: o.Profile, warn: o.Warn, users: 1, info: backends.Info{
		Backend: "gorgonia", Device: name, CPU: backends.CPUName(), Threads: o.Threads,
		Library: "Gorgonia " + version + " with " + d.Library(), Precision: precision, AnyOrder: o.AnyOrder,
	}}
}

// A backend closes its device when it and all its programs are closed.
type backend struct {
	device   device.Device
	recorder *recorder
	profile  string // file of the profile of training; "" for none
	warn     func(message string)
	info     backends.Info
	lock     sync.Mutex
	users    int // open programs, and the backend itself
	closed   bool
}

func (b *backend) Info() backends.Info { return b.info }

// Close leaves programs that are still open usable.
func (b *backend) Close() error {
	b.lock.Lock()
	closed := b.closed
	b.closed = true
	b.lock.Unlock()
	if closed {
		return nil
	}
	return b.release()
}

// hold keeps the device open until release.
func (b *backend) hold() error {
	b.lock.Lock()
	defer b.lock.Unlock()
	if b.closed {
		return errors.New("the backend is closed")
	}
	b.users++
	return nil
}

func (b *backend) release() error {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.users--
	if b.users > 0 {
		return nil
	}
	return b.device.Close()
}

func (b *backend) Compile(ctx context.Context, s *graph.Step) (backends.Program, error) {
	if err := b.hold(); err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	p, err := compile(ctx, b, s)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", errors.Join(err, b.release()))
	}
	p.release = b.release
	if receiver, ok := b.device.(device.Receiver); ok && p.train != nil {
		p.ahead = &ahead{device: receiver, warn: b.warn}
		return stager{p}, nil
	}
	return p, nil
}
