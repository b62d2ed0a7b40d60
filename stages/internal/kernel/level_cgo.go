//go:build cgo

package kernel

// #cgo CFLAGS: -O3
import "C"

import "golang.org/x/sys/cpu"

// Levels returns the levels that this build and this CPU can run, the slowest first.
func Levels() []Level {
	if cpu.X86.HasAVX2 {
		return []Level{Go, Baseline, AVX2}
	}
	return []Level{Go, Baseline}
}
