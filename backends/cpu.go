package backends

import (
	"fmt"
	"runtime"

	"github.com/klauspost/cpuid/v2"
)

// CPUName names the processor and its instruction set, as a hypervisor may hide the former: the field CPU of an Info.
func CPUName() string {
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
