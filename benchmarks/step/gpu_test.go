package step

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
)

// skipWithoutGPU says why a subject cannot be measured here.
func skipWithoutGPU(b *testing.B, s subject) {
	b.Helper()
	if s.options.Device != gpu {
		return
	}
	open, err := backends.Open(context.Background(), s.backend, s.options)
	if err != nil {
		b.Skip(err)
	}
	check(b, open.Close())
}

// memoryOfGPU is how much of the memory of all GPUs is in use, in MiB, as nvidia-smi has it; it is 0 where that says no number.
func memoryOfGPU() float64 {
	out, err := exec.Command("nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits").Output()
	if err != nil {
		return 0
	}
	total := 0.0
	for line := range strings.Lines(string(out)) {
		var mib float64
		if _, err := fmt.Sscan(line, &mib); err != nil {
			return 0
		}
		total += mib
	}
	return total
}
