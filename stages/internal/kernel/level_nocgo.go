//go:build !cgo

package kernel

// Levels returns the levels that this build and this CPU can run, the slowest first.
func Levels() []Level { return []Level{Go} }
