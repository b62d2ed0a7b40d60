//go:build !cgo

package kernel

func resize(z resizing) { goResize(z) }

func cResizeScratch(Rect, int, int, Filter) int { return 0 }
