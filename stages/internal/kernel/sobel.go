package kernel

import "math"

// SobelScratch is the length of the scratch that Sobel needs.
func SobelScratch(w, h int) int { return w * h }

// Sobel replaces every pixel by the length of the gradient of the grey levels around it: sqrt(gx*gx + gy*gy) / 4, at most 255,
// where gx and gy weigh the neighbours on either side by 1, 2, 1. Beyond the border the image goes on as it ends.
func Sobel(pix []byte, w, h int, scratch []byte) {
	Colour(pix, []ColourOp{{Kind: ToGrey, Round: true}})
	g := scratch[:w*h]
	for i := range g {
		g[i] = pix[3*i]
	}
	for y := range h {
		above, here, below := g[w*max(y-1, 0):][:w], g[w*y:][:w], g[w*min(y+1, h-1):][:w]
		out := pix[3*w*y:][:3*w]
		for x := range w {
			l, r := max(x-1, 0), min(x+1, w-1)
			gx := int(above[r]) - int(above[l]) + 2*(int(here[r])-int(here[l])) + int(below[r]) - int(below[l])
			gy := int(below[l]) - int(above[l]) + 2*(int(below[x])-int(above[x])) + int(below[r]) - int(above[r])
			length := math.Sqrt(float64(gx*gx+gy*gy)) / 4
			v := byte(min(int(length+0.5), 255)) // the division is exact, so no CPU rounds this otherwise
			out[3*x], out[3*x+1], out[3*x+2] = v, v, v
		}
	}
}
