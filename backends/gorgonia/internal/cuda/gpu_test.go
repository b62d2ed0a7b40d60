//go:build linux

package cuda

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
)

// standIn opens a GPU of the libraries that stand for CUDA's.
func standIn(t *testing.T, configure ...func(*stub.Libraries)) (*gpu, *stub.Libraries) {
	t.Helper()
	l := stub.Open(t)
	for _, f := range configure {
		f(l)
	}
	g, err := openGPU(standInDriver(t, l), 0)
	if err != nil {
		t.Fatal(err)
	}
	closeLast(t, l, g.close)
	return g, l
}

// closeLast closes what holds all that is left of the libraries, when the test is over.
func closeLast(t testing.TB, l *stub.Libraries, closeIt func() error) {
	t.Cleanup(func() {
		if err := closeIt(); err != nil {
			t.Error(err)
		}
		if n := l.Held(); n != 0 {
			t.Errorf("%d things were not given back", n)
		}
		if n := l.Allocated(); n != 0 {
			t.Errorf("%d bytes of the device's memory were not given back", n)
		}
	})
}

func standInDriver(t *testing.T, l *stub.Libraries) *driver {
	t.Helper()
	d, err := newDriver(open(t, l, "libcuda.so.1"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func open(t *testing.T, l *stub.Libraries, name string) uintptr {
	t.Helper()
	library, err := openLibrary(filepath.Join(l.Directory, name))
	if err != nil {
		t.Fatal(err)
	}
	return library
}

// standInKernels loads the embedded kernels.
func standInKernels(t *testing.T, g *gpu, l *stub.Libraries, p precision) {
	t.Helper()
	n, err := newNVRTC(open(t, l, "libnvrtc.so.13"))
	if err != nil {
		t.Fatal(err)
	}
	codes, err := compiler{n, l.Cache}.compile(target{architecture: 90}, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range codes {
		if err := g.load(code); err != nil {
			t.Fatal(err)
		}
	}
}

// allocated is memory that the end of the test frees.
func allocated(t *testing.T, g *gpu, size int) unsafe.Pointer {
	t.Helper()
	m, err := g.allocate(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Free(); err != nil {
			t.Error(err)
		}
	})
	return m.Pointer()
}

func TestCopiesToTheGPUAndBack(t *testing.T) {
	g, _ := standIn(t)
	if g.name != "NVIDIA Stub" || g.major != 9 || g.minor != 0 {
		t.Errorf("the GPU is a %q of capability %d.%d", g.name, g.major, g.minor)
	}
	const size = 3*stagingMost + 12345
	at := allocated(t, g, size)
	back := make([]byte, size)
	if err := g.download(back, at); err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(back, func(b byte) bool { return b != 0 }); i >= 0 {
		t.Fatalf("byte %d of new memory is not zero", i)
	}
	from := make([]byte, size)
	for i := range from {
		from[i] = byte(i * 7 >> 3)
	}
	want := slices.Clone(from)
	if err := g.upload(at, from); err != nil {
		t.Fatal(err)
	}
	clear(from) // the source may be changed at once
	if err := g.download(back, at); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back, want) {
		t.Error("other bytes came back")
	}
}

// TestUploadDoesNotWait copies twice with the first copy still to be done, and reuses the buffer when it is.
func TestUploadDoesNotWait(t *testing.T) {
	g, l := standIn(t)
	at := allocated(t, g, 200)
	source := bytes.Repeat([]byte{1}, 100)
	for i := range 2 {
		if err := g.upload(unsafe.Add(at, 100*i), source); err != nil {
			t.Fatal(err)
		}
		source[0]++
	}
	back := make([]byte, 200)
	if err := g.download(back, at); err != nil {
		t.Fatal(err)
	}
	if back[0] != 1 || back[100] != 2 || back[199] != 1 {
		t.Errorf("copies mixed: %v", back)
	}
	if err := g.upload(at, source); err != nil {
		t.Fatal(err)
	}
	log := strings.Join(l.Log(), "\n")
	if n := strings.Count(log, "cuMemHostAlloc"); n != 2 {
		t.Errorf("%d buffers for 2 copies at a time", n)
	}
	if strings.Contains(log, "cuEventSynchronize") {
		t.Error("a copy waited for another")
	}
}

// TestUploadWithLittlePinnedMemory makes do with smaller buffers, and waits for those that can be had.
func TestUploadWithLittlePinnedMemory(t *testing.T) {
	g, l := standIn(t)
	at := allocated(t, g, 1<<20)
	l.Set("pinned", 10)
	err := g.upload(at, make([]byte, 1<<20))
	if err == nil || !strings.Contains(err.Error(), "64 KiB of the host's memory cannot be pinned") || strings.Contains(err.Error(), "batch") {
		t.Errorf("without pinned memory: %v", err)
	}
	want := bytes.Repeat([]byte("12345678"), 1<<17)
	for _, pinned := range []int{100 << 10, 10} { // bytes of a buffer, and no more buffers
		l.Set("pinned", pinned)
		want[pinned]++
		if err := g.upload(at, want); err != nil {
			t.Fatal(err)
		}
		back := make([]byte, 1<<20)
		if err := g.download(back, at); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(back, want) {
			t.Error("other bytes came back")
		}
	}
	if n := strings.Count(strings.Join(l.Log(), "\n"), "cuMemHostAlloc 1048576 "); n != 1 {
		t.Errorf("a buffer of 1 MiB was asked for %d times, although there was none", n)
	}
}

func TestDeviceMemoryFaultsOnTheHost(t *testing.T) {
	g, _ := standIn(t)
	at := allocated(t, g, 4096)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() == nil {
			t.Error("the host can read the device's memory")
		}
	}()
	t.Log(*(*byte)(at))
}

func TestAllocateOutOfMemory(t *testing.T) {
	g, l := standIn(t)
	l.Set("memory", 100<<20)
	allocated(t, g, 70<<20)
	_, err := g.allocate(50 << 20)
	if !errors.Is(err, errOutOfMemory) {
		t.Fatalf("not an error of memory: %v", err)
	}
	for _, part := range []string{"50 MiB", "30 MiB free", "of 100 MiB", "smaller batch", "NVIDIA Stub", "CUDA_ERROR_OUT_OF_MEMORY"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	if m, err := g.allocate(0); err != nil {
		t.Errorf("no empty memory: %v", err)
	} else if err := m.Free(); err != nil {
		t.Error(err)
	}
}

func TestLaunch(t *testing.T) {
	g, l := standIn(t)
	standInKernels(t, g, l, fp32)
	const filters, channels, area = 5, 3, 9
	x, y := make([]float32, filters*channels*area), make([]float32, filters*channels*area)
	for i := range x {
		x[i] = float32(i)
	}
	at, arranged := allocated(t, g, 4*len(x)), allocated(t, g, 4*len(x))
	if err := g.upload(at, asBytes(x)); err != nil {
		t.Fatal(err)
	}
	a := filterArguments{at, arranged, int64(len(x)), channels, area}
	if err := g.launch("arrange_filter", 1, 1, unsafe.Pointer(&a)); err != nil {
		t.Fatal(err)
	}
	if err := g.download(asBytes(y), arranged); err != nil {
		t.Fatal(err)
	}
	for i, v := range y {
		c, tap, o := i%channels, i/channels%area, i/channels/area
		if want := x[(o*channels+c)*area+tap]; v != want {
			t.Fatalf("element %d is %v, want %v", i, v, want)
		}
	}
	a = filterArguments{arranged, at, int64(len(x)), channels, area}
	if err := g.launch("flatten_filter", 2, 1, unsafe.Pointer(&a)); err != nil {
		t.Fatal(err)
	}
	if err := g.download(asBytes(y), at); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(x, y) {
		t.Error("flattening does not undo arranging")
	}
	if err := g.launch("no_such_kernel", 1, 1, unsafe.Pointer(&a)); err == nil || !strings.Contains(err.Error(), "no_such_kernel") {
		t.Errorf("unknown kernel: %v", err)
	}
	if err := g.launch("arrange_filter", 0, 1, unsafe.Pointer(&a)); err == nil || !strings.Contains(err.Error(), "CUDA_ERROR_INVALID_VALUE") {
		t.Errorf("no blocks: %v", err)
	}
}

func asBytes[T any](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}

func TestLaunchFailureComesWithTheNextWait(t *testing.T) {
	l := stub.Open(t)
	g, err := openGPU(standInDriver(t, l), 0)
	if err != nil {
		t.Fatal(err)
	}
	standInKernels(t, g, l, bf16)
	m, err := g.allocate(64)
	if err != nil {
		t.Fatal(err)
	}
	l.Set("fail_launch", 1)
	a := filterArguments{m.Pointer(), m.Pointer(), 1, 1, 1}
	if err := g.launch("arrange_filter", 1, 1, unsafe.Pointer(&a)); err != nil {
		t.Fatal(err)
	}
	err = g.download(make([]byte, 4), m.Pointer())
	if err == nil || !strings.Contains(err.Error(), "illegal memory access") {
		t.Errorf("the failure of a kernel got lost: %v", err)
	}
	if err := errors.Join(m.Free(), g.close()); err == nil {
		t.Error("closing says nothing of the failure")
	}
	if n := l.Held(); n != 0 {
		t.Errorf("%d things were not given back", n)
	}
}

// TestManyThreads uses a GPU from goroutines on threads where its context was never current.
func TestManyThreads(t *testing.T) {
	g, _ := standIn(t)
	at := allocated(t, g, 64*16)
	var group sync.WaitGroup
	errs := make(chan error, 16)
	for i := range 16 {
		group.Add(1)
		go func() {
			defer group.Done()
			for range 50 {
				to := unsafe.Add(at, 64*i)
				b := bytes.Repeat([]byte{byte(i)}, 64)
				got := make([]byte, 64)
				if err := errors.Join(g.upload(to, b), g.download(got, to)); err != nil {
					errs <- err
					return
				}
				if !bytes.Equal(got, b) {
					errs <- fmt.Errorf("goroutine %d got %v", i, got)
					return
				}
			}
		}()
	}
	group.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

func TestOpenGPUErrors(t *testing.T) {
	l := stub.Open(t)
	d := standInDriver(t, l)
	if _, err := openGPU(d, 1); err == nil || !strings.Contains(err.Error(), "no GPU 1") {
		t.Errorf("GPU 1 of 1: %v", err)
	}
	l.Set("devices", 0)
	if _, err := openGPU(d, 0); !errors.Is(err, errNoDevice) {
		t.Errorf("no GPU: %v", err)
	}
	if _, err := newDriver(open(t, l, "libcuda.so.1")); !errors.Is(err, errNoDevice) {
		t.Errorf("no GPU: %v", err)
	}
	l.Set("devices", 1)
	l.Set("cuInit", 700)
	if _, err := newDriver(open(t, l, "libcuda.so.1")); err == nil || !strings.Contains(err.Error(), "CUDA_ERROR_ILLEGAL_ADDRESS") {
		t.Errorf("a driver that does not start: %v", err)
	}
	if _, err := newDriver(open(t, l, "libnvrtc.so.13")); err == nil {
		t.Error("a library without the driver's functions is taken for it")
	}
}
