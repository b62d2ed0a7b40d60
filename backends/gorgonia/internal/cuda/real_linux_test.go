package cuda

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
)

// real opens NVIDIA's own libraries, all but the driver, as far as these go without a GPU.
func real(t *testing.T) *libraries {
	t.Helper()
	l := stub.Open(t)
	if len(realLibraries(t, cudnnName)) == 0 {
		t.Skip("cuDNN is not among Python's packages")
	}
	directory := t.TempDir()
	if err := os.Symlink(filepath.Join(l.Directory, driverLibrary), filepath.Join(directory, driverLibrary)); err != nil {
		t.Fatal(err)
	}
	f := newFinder([]string{directory})
	f.directories = f.directories[:1]
	f.open = func(path string) (uintptr, error) {
		if !filepath.IsAbs(path) {
			return 0, errors.New(path + ": cannot open shared object file: No such file or directory")
		}
		return openLibrary(path)
	}
	found, err := openLibraries(f)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestOpenNVIDIAsLibraries(t *testing.T) {
	l := real(t)
	if l.cudnn.version() < 90000 || l.cublasLt.version() < 120000 || l.cublasLt.version()/10000 != l.nvrtc.major || l.cudnn.cudaMajor() != l.nvrtc.major {
		t.Errorf("opened %v, cuDNN for CUDA %d", l, l.cudnn.cudaMajor())
	}
	t.Log(l)
}

// TestNVIDIAsLibrariesTakeOurDescriptors reads back what cuDNN understood, and has cuBLASLt take its descriptors.
func TestNVIDIAsLibrariesTakeOurDescriptors(t *testing.T) {
	l := real(t)
	path := realLibraries(t, cudnnName)[0]
	handle, err := openLibrary(path)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		cudnnGetTensor4dDescriptor      function
		cudnnGetFilter4dDescriptor      function
		cudnnGetConvolution2dDescriptor function
		cudnnGetConvolutionMathType     function
	}
	if err := bind(handle, &read); err != nil {
		t.Fatal(err)
	}
	c := convolution{n: 2, channels: 3, height: 9, width: 8, filters: 4, kernel: 5, rows: 4, cols: 3, stride: 2, pad: 1}
	for p, name := range precisionNames {
		v := &convolutions{cudnn: l.cudnn, precision: p}
		for _, d := range []direction{v.forward(), v.gradInput(), v.gradFilter()} {
			plan := &convolutionPlan{direction: d}
			if err := v.describe(plan, c); err != nil {
				t.Fatalf("%s, %s: %v", name, d.name, err)
			}
			x, w := plan.first, plan.second
			switch d.name {
			case "BackwardData":
				x, w = plan.result, plan.first
			case "BackwardFilter":
				w = plan.result
			}
			i := make([]int32, 9)
			at := func(n int) uintptr { return uintptr(unsafe.Pointer(&i[n])) }
			element := int32(v.element())
			check := func(what string, result uintptr, want ...int32) {
				t.Helper()
				if err := v.check(what, result); err != nil {
					t.Fatal(err)
				}
				for n, w := range want {
					if i[n] != w {
						t.Errorf("%s, %s: %s has %v, want %v", name, d.name, what, i, want)
						break
					}
				}
			}
			check("images", read.cudnnGetTensor4dDescriptor.call(x, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8)),
				element, 2, 3, 9, 8, 3*9*8, 1, 3*8, 3)
			check("filters", read.cudnnGetFilter4dDescriptor.call(w, at(0), at(1), at(2), at(3), at(4), at(5)), element, cudnnNHWC, 4, 3, 5, 5)
			check("convolution", read.cudnnGetConvolution2dDescriptor.call(plan.convolution, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)),
				1, 1, 2, 2, 1, 1, cudnnCrossCorrelation, cudnnFloat)
			check("math", read.cudnnGetConvolutionMathType.call(plan.convolution, at(0)), v.math())
			plan.close()
		}
		products := &products{cublasLt: l.cublasLt, precision: p}
		for i := range 4 {
			plan := &productPlan{}
			if err := products.describe(plan, productKey{m: 3, n: 4, k: 5, transA: i&1 != 0, transB: i&2 != 0}); err != nil {
				t.Error(err)
			}
			if err := products.choose(plan); err != nil || !plan.own {
				t.Errorf("without a GPU, and its handle, cuBLASLt chose an algorithm or did not take a preference: %v", err)
			}
			plan.close()
		}
	}
}
