//go:build !cgo

package kernel

// colourPass does the steps one after the other on all pixels.
func colourPass(pix []byte, steps []colourStep) { plainColourPass(pix, steps) }
