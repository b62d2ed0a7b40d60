package kernel

// A Level is a way to run the kernels: in plain Go, or in C compiled for a set of instructions. All levels give the same bytes.
type Level int

// The levels.
const (
	Go       Level = iota // plain Go: the oracle of the others, and what is there without cgo
	Baseline              // C for every CPU of the architecture, with SSE2 on amd64 and NEON on arm64
	AVX2                  // C for an amd64 with AVX2
)

func (l Level) String() string { return [...]string{"go", "baseline", "avx2"}[l] }

// current is the level in use. Tests set it.
var current = fastest()

func fastest() Level {
	all := Levels()
	return all[len(all)-1]
}
