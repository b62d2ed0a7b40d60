package cuda

import (
	"fmt"
	"slices"
	"unsafe"
)

// A target is the kind of GPU that NVRTC compiles for.
type target struct {
	architecture int // 10 * major + minor of the compute capability
	// virtual makes NVRTC compile to PTX, the text that the driver compiles for its GPU; otherwise to that GPU's machine code.
	virtual bool
}

func (t target) String() string {
	if t.virtual {
		return fmt.Sprintf("compute_%d", t.architecture)
	}
	return fmt.Sprintf("sm_%d", t.architecture)
}

// target is what to compile for a GPU of a compute capability: the newest architecture whose machine code it runs, or where NVRTC knows
// none, since the GPU is newer, the newest whose PTX the GPU's driver compiles for it.
func (n *nvrtc) target(major, minor int) (target, error) {
	known, err := n.architectures()
	if err != nil {
		return target{}, err
	}
	newest := target{}
	for _, a := range known {
		if a > 10*major+minor {
			continue
		}
		if t := (target{a, a/10 != major}); a > newest.architecture {
			newest = t
		}
	}
	if newest.architecture == 0 {
		oldest := slices.Min(known)
		return target{}, fmt.Errorf("NVRTC %d.%d compiles for GPUs of compute capability %d.%d and later, and this one has %d.%d: name the libraries of an older CUDA in %s, or use -device cpu",
			n.major, n.minor, oldest/10, oldest%10, major, minor, DirectoryVariable)
	}
	return newest, nil
}

// architectures are those that NVRTC compiles for: at least one.
func (n *nvrtc) architectures() ([]int, error) {
	var count int32
	if err := n.check("nvrtcGetNumSupportedArchs", n.nvrtcGetNumSupportedArchs.call(uintptr(unsafe.Pointer(&count)))); err != nil {
		return nil, err
	}
	if count < 1 {
		return nil, fmt.Errorf("NVRTC %d.%d compiles for no GPU", n.major, n.minor)
	}
	known := make([]int32, count)
	if err := n.check("nvrtcGetSupportedArchs", n.nvrtcGetSupportedArchs.call(uintptr(unsafe.Pointer(&known[0])))); err != nil {
		return nil, err
	}
	architectures := make([]int, count)
	for i, a := range known {
		architectures[i] = int(a)
	}
	return architectures, nil
}
