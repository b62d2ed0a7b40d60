//go:build unix

package gorgonia

import (
	"runtime/debug"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/backendtest"
	"github.com/goclr/goclr/backends/gorgonia/internal/cpu"
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// A guarded device stands for a GPU: its memory faults on any access by the host. Only its own kernels, Upload and Download open
// it, for as long as they run.
type guarded struct {
	*cpu.Device
	lock     sync.Mutex
	memories map[*guardedMemory]bool
}

type guardedMemory struct {
	device *guarded
	pages  []byte
}

func newGuarded(t *testing.T, o cpu.Options) *guarded {
	t.Helper()
	d, err := cpu.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &guarded{Device: d, memories: map[*guardedMemory]bool{}}
}

func (d *guarded) Allocate(bytes int) (device.Memory, error) {
	pages, err := unix.Mmap(-1, 0, bytes, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	m := &guardedMemory{d, pages}
	d.lock.Lock()
	defer d.lock.Unlock()
	d.memories[m] = true
	return m, nil
}

func (m *guardedMemory) Pointer() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(m.pages)) }

func (m *guardedMemory) Free() error {
	m.device.lock.Lock()
	defer m.device.lock.Unlock()
	delete(m.device.memories, m)
	return unix.Munmap(m.pages)
}

// open runs f with the memory open.
func (d *guarded) open(f func() error) error {
	d.lock.Lock()
	defer d.lock.Unlock()
	protect := func(how int) {
		for m := range d.memories {
			if err := unix.Mprotect(m.pages, how); err != nil {
				panic(err)
			}
		}
	}
	protect(unix.PROT_READ | unix.PROT_WRITE)
	defer protect(unix.PROT_NONE)
	return f()
}

func (d *guarded) Kernel(op graph.Op) (device.Kernel, bool) {
	k, ok := d.Device.Kernel(op)
	run := k.Run
	k.Run = func(c *device.Call) error { return d.open(func() error { return run(c) }) }
	return k, ok
}

func (d *guarded) Upload(to unsafe.Pointer, from []byte) error {
	return d.open(func() error { return d.Device.Upload(to, from) })
}

func (d *guarded) Download(to []byte, from unsafe.Pointer) error {
	return d.open(func() error { return d.Device.Download(to, from) })
}

// TestOnGuardedMemory runs the suite as a GPU would: neither the program nor Gorgonia may look into the device's memory.
func TestOnGuardedMemory(t *testing.T) {
	for name, plain := range map[string]bool{"vector kernels": false, "plain Go": true} {
		t.Run(name, func(t *testing.T) {
			backendtest.Run(t, func(t *testing.T) backends.Backend {
				return newBackend(newGuarded(t, cpu.Options{Threads: 2, Plain: plain}), "guarded", backends.Options{Threads: 2})
			}, backendtest.Options{})
		})
	}
}

// TestGuardedMemoryFaults shows that the test above can fail.
func TestGuardedMemoryFaults(t *testing.T) {
	d := newGuarded(t, cpu.Options{Threads: 1})
	defer d.Close()
	m, err := d.Allocate(4)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Free(); err != nil {
			t.Error(err)
		}
	}()
	if err := d.Upload(m.Pointer(), []byte{1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if err := d.Download(got, m.Pointer()); err != nil || got[3] != 4 {
		t.Fatalf("the device holds %v (%v), want 1 to 4", got, err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() == nil {
			t.Error("the host could read the device's memory")
		}
	}()
	got[0] = *(*byte)(m.Pointer())
}
