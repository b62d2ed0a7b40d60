package stages

import "image"

// boxParams are the parameters of a stage that works on a part of the image.
var boxParams = []string{"x", "y", "w", "h"}

// rect is the rectangle of w by h pixels at (x, y).
func rect(x, y, w, h int) image.Rectangle { return image.Rect(x, y, x+w, y+h) }

// putBox writes a rectangle as boxParams.
func putBox(p []float64, r image.Rectangle) {
	p[0], p[1], p[2], p[3] = float64(r.Min.X), float64(r.Min.Y), float64(r.Dx()), float64(r.Dy())
}

// box is the rectangle that p has as boxParams.
func box(p []float64) image.Rectangle { return rect(int(p[0]), int(p[1]), int(p[2]), int(p[3])) }
