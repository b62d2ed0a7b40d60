package backends

import (
	"fmt"
	"strconv"
	"strings"
)

// CUDADevice reads Options.Device: it returns the number of a CUDA device, or false for the CPU.
func CUDADevice(device string) (number int, isCUDA bool, err error) {
	switch device {
	case "", "cpu":
		return 0, false, nil
	case "cuda":
		return 0, true, nil
	}
	if text, ok := strings.CutPrefix(device, "cuda:"); ok {
		if n, err := strconv.ParseUint(text, 10, 16); err == nil {
			return int(n), true, nil
		}
	}
	return 0, false, fmt.Errorf("unknown device %q: this backend has cpu and cuda:N, where N is 0, 1 and so on", device)
}
