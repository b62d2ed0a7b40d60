package main

import (
	"image"
	"math"

	"golang.org/x/image/draw"
)

// originalSide is the longest side, in pixels, that an original is shown with: sharp in a column of half of that on a screen
// of double resolution.
const originalSide = 480

// rgba copies packed RGB pixels into an image.
func rgba(pix []byte, w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		m.Pix[4*i], m.Pix[4*i+1], m.Pix[4*i+2], m.Pix[4*i+3] = pix[3*i], pix[3*i+1], pix[3*i+2], 255
	}
	return m
}

// reduce scales an image down to originalSide; a smaller one stays as it is.
func reduce(m *image.RGBA) *image.RGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	if max(w, h) <= originalSide {
		return m
	}
	return scale(m, fit(w, h, originalSide))
}

// longestRatio is the ratio of the sides above which an original is shown less long than it is, so that it can be seen at all.
const longestRatio = 24

// ratio is the width over the height that an image of w by h pixels is shown with.
func ratio(w, h int) float64 { return min(max(float64(w)/float64(h), 1./longestRatio), longestRatio) }

// fit returns the size of an image of w by h pixels in a square.
func fit(w, h, side int) image.Point {
	r, long := ratio(w, h), float64(side)
	return image.Pt(int(math.Round(long*min(1, r))), int(math.Round(long*min(1, 1/r))))
}

// scale resamples an image: smoothly down, and in squares up, so that the pixels of a small image can be told apart.
func scale(m *image.RGBA, size image.Point) *image.RGBA {
	to := image.NewRGBA(image.Rectangle{Max: size})
	scaler := draw.NearestNeighbor
	if size.X < m.Rect.Dx() || size.Y < m.Rect.Dy() {
		scaler = draw.CatmullRom
	}
	scaler.Scale(to, to.Rect, m, m.Rect, draw.Src, nil)
	return to
}
