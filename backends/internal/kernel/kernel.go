//go:build cgo

// Package kernel computes the operations that a training step spends its time in: convolutions and their gradients, batch
// normalisation, pooling. They are written in C, compiled once for each set of instructions, and called from the C code of
// a backend by the table that kernels.h declares.
//
// Convolutions by 3x3 with stride 1 take Winograd's way (F(4x4, 3x3), Lavin and Gray 2016) with a quarter of the
// multiplications, at the price of one digit: relative errors are about 2e-6 in norm. All others are sums over taps.
package kernel

// #cgo CFLAGS: -O3 -Wno-psabi
// #cgo LDFLAGS: -lm -lpthread
// #include "kernels.h"
import "C"

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// A Level is a set of instructions that the kernels are compiled for. Levels differ in the last bits of results.
type Level int

// The levels.
const (
	Baseline Level = C.BASELINE // every CPU of the architecture: SSE2 on amd64, NEON on arm64
	AVX2     Level = C.AVX2     // an amd64 with AVX2 and FMA
	AVX512   Level = C.AVX512   // an amd64 with AVX-512 F, VL, BW and DQ
)

func (l Level) String() string { return [...]string{"baseline", "AVX2", "AVX-512"}[l] }

// Levels returns the levels that this CPU has, the slowest first.
func Levels() []Level {
	levels := []Level{Baseline}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		levels = append(levels, AVX2)
		if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ {
			levels = append(levels, AVX512)
		}
	}
	return levels
}

// Fastest is the last of Levels.
func Fastest() Level {
	levels := Levels()
	return levels[len(levels)-1]
}

//go:embed *.h
var sources embed.FS

// Revision names the sources of the kernels, by their SHA-256: another one may give other bits.
func Revision() string {
	h := sha256.New()
	names, err := fs.Glob(sources, "*.h")
	if err != nil {
		panic(err) // the pattern is right
	}
	for _, name := range names {
		text, err := sources.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		h.Write(text)
	}
	return fmt.Sprintf("%.4x", h.Sum(nil))
}

// Table is the address of the kernels of a level, a const struct kernels of C.
func (l Level) Table() unsafe.Pointer { return unsafe.Pointer(C.goclr_step_kernels(C.int(l))) }

// Compiler names what compiled the kernels, which decides the last bits of their results: where it fuses multiplications and
// additions, and in what order it sums.
func Compiler() string { return C.GoString(C.goclr_step_compiler()) }
