//go:build !cgo

package kernel

func grayscale(pix []byte) { goGrayscale(pix) }
