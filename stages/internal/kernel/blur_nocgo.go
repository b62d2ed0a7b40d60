//go:build !cgo

package kernel

func blur(b blurring) { goBlur(b) }
