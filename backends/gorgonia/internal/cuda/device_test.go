//go:build linux

package cuda

import (
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// TestOpenOlderGPU opens a GPU whose tensor cores take neither tf32 nor bf16.
func TestOpenOlderGPU(t *testing.T) {
	l := stub.Open(t)
	l.Use(t)
	l.Set("major", 7)
	l.Set("minor", 5)
	for _, precision := range []string{"tf32", "bf16"} {
		_, err := Open(Options{Precision: precision})
		if err == nil || !strings.Contains(err.Error(), "precision "+precision+" needs") || !strings.Contains(err.Error(), "has 7.5") {
			t.Errorf("%s: %v", precision, err)
		}
	}
	d, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if n := l.Held(); n != 0 {
		t.Errorf("%d things were not given back", n)
	}
}

// TestOpenNewerGPU opens GPUs that NVRTC does not know: their driver compiles the kernels, or says why not.
func TestOpenNewerGPU(t *testing.T) {
	l := stub.Open(t)
	l.Use(t)
	l.Set("major", 12)
	d, err := Open(Options{Precision: "bf16"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "compiled by its driver for CUDA 13.0 from compute_90"; !strings.Contains(d.Library(), want) {
		t.Errorf("the library is %q, want one with %q", d.Library(), want)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if !slices.Contains(l.Log(), "compiling compute_90") {
		t.Error("the driver has compiled nothing")
	}
	for code, want := range map[int][]string{
		driverPTXVersion: {"capability 12.0, newer than NVRTC 13.0", "install a newer driver, or name the libraries of CUDA 13.0 or older in GOCLR_CUDA", "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
		209:              {"does not compile compute_90 for it: name the libraries of a newer CUDA in GOCLR_CUDA", "CUDA_ERROR_NO_BINARY_FOR_GPU"},
	} {
		l.Set("ptx", code)
		_, err := Open(Options{})
		for _, part := range want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("error %d does not say %q: %v", code, part, err)
			}
		}
	}
	if n := l.Held(); n != 0 {
		t.Errorf("%d things were not given back", n)
	}
}

// TestPixelsBecomeImagesAtOnce needs no planes of floats in between.
func TestPixelsBecomeImagesAtOnce(t *testing.T) {
	g, l := standIn(t)
	standInKernels(t, g, l, fp32)
	k := imageKernels(g)[graph.OpImage]
	s := newSum(t, g, fp32)
	scale := &graph.Attr{Mean: [3]float64{0.5, 0.5, 0.5}, Std: [3]float64{0.25, 0.25, 0.25}}
	shape := []int{2, 3, 3, 5}
	pixels, out := allocated(t, g, graph.Size(shape)), allocated(t, g, 4*graph.Size(shape))
	bytes := make([]byte, graph.Size(shape))
	want := make([]float64, len(bytes))
	for i := range bytes {
		bytes[i] = byte(7 * i)
		want[i] = (float64(bytes[i])/255 - 0.5) / 0.25
	}
	if err := g.upload(pixels, bytes); err != nil {
		t.Fatal(err)
	}
	if !k.Images {
		t.Fatal("its result may not be Images")
	}
	call := &device.Call{In: []device.Tensor{{Data: pixels, Layout: device.Pixels, Shape: shape, Scale: scale}}, Out: device.Tensor{Data: out, Layout: device.Images, Shape: shape}}
	if err := k.Run(call); err != nil {
		t.Fatal(err)
	}
	call.Out.Layout = device.Plain // in the order of memory
	near(t, "pixels", s.result(call.Out), want, 1e-6)
	if !slices.ContainsFunc(l.Log(), func(line string) bool { return strings.HasPrefix(line, "launch pixels_to_images") }) {
		t.Error("by another kernel")
	}
}
