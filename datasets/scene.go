package datasets

import "math/rand/v2"

// Lengths in a scene are 4096ths of the image's side, so that a scene looks the same at any size.
const side = 4096

// A scene is one image of the procedural set before it is drawn: a figure on a ground. Everything but the class is drawn
// independently of the class.
type scene struct {
	figure   *figure
	x, y     int       // the figure's centre
	fore     [2]colour // of its pattern
	ground   [2]colour // the ground fades between them
	toFigure matrix    // from a point relative to the centre to the figure's units
	toCells  matrix    // from a point to cells of the ground's noise, in 256ths of a cell
	noise    uint32
}

type colour [3]uint8

// A matrix maps points; its numbers are 2^20ths.
type matrix struct{ xx, xy, yx, yy int }

func (m *matrix) apply(x, y int) (int, int) {
	return (m.xx*x + m.xy*y) >> 20, (m.yx*x + m.yy*y) >> 20
}

// rotation maps lengths of unitX and unitY along axes turned by angle to unit.
func rotation(angle, unit, unitX, unitY int) matrix {
	s, c := sine(angle)*unit*(1<<20/one), cosine(angle)*unit*(1<<20/one)
	return matrix{c / unitX, s / unitX, -s / unitY, c / unitY}
}

func newScene(class int, r *rand.Rand) scene {
	s := scene{figure: &figures[class]}
	radius := between(r, side*34/100, side*44/100)
	margin := radius * 3 / 4
	s.x, s.y = between(r, margin, side-margin), between(r, margin, side-margin)
	s.toFigure = rotation(between(r, -turn/12, turn/12), 1024, radius, radius)
	if r.IntN(2) == 0 {
		s.toFigure.xx, s.toFigure.xy = -s.toFigure.xx, -s.toFigure.xy
	}
	// Lightness and hue vary little: where they tell images apart, contrastive training need not look at the figure.
	s.fore = twoColours(r, 20, 90, 90, 150)
	s.ground = twoColours(r, 80, 150, 10, 24)
	s.toCells = rotation(r.IntN(turn), 256, between(r, side/10, side/3), between(r, side/10, side/3))
	s.noise = r.Uint32()
	return s
}

// twoColours returns colours of any hue, the darker one of lightness dark0 to dark1, the other one lighter by step0 to
// step1, in either order.
func twoColours(r *rand.Rand, dark0, dark1, step0, step1 int) [2]colour {
	dark := between(r, dark0, dark1)
	pair := [2]colour{tint(r, dark), tint(r, dark+between(r, step0, step1))}
	if r.IntN(2) == 0 {
		pair[0], pair[1] = pair[1], pair[0]
	}
	return pair
}

// tint returns a colour of about the given lightness.
func tint(r *rand.Rand, light int) colour {
	u, v := between(r, -16, 16), between(r, -16, 16)
	clamp := func(v int) uint8 { return uint8(min(max(v, 0), 255)) }
	return colour{clamp(light + u), clamp(light - u/2 - v/4), clamp(light + v)}
}

func between(r *rand.Rand, low, high int) int { return low + r.IntN(high-low+1) }

// draw paints the scene into size*size RGB pixels, four points to a pixel.
func (s *scene) draw(rgb []byte, size int) {
	step := side * 16 / (2 * size) // between points, in 16ths
	for y := range size {
		for x := range size {
			ground := s.groundAt((2*x+1)*step/16, (2*y+1)*step/16)
			var sum [3]int
			for k := range 4 {
				px, py := (4*x+2*(k&1)+1)*step/32, (4*y+k&2+1)*step/32
				c := ground
				fx, fy := s.toFigure.apply(px-s.x, py-s.y)
				if s.figure.inside(fx, fy) {
					c = s.fore[0]
					if s.figure.pattern(fx, fy) {
						c = s.fore[1]
					}
				}
				for i := range sum {
					sum[i] += int(c[i])
				}
			}
			for i := range sum {
				rgb[3*(y*size+x)+i] = uint8((sum[i] + 2) / 4)
			}
		}
	}
}

// groundAt fades between the colours of the ground by value noise: random numbers at the corners of cells, interpolated.
func (s *scene) groundAt(x, y int) colour {
	u, v := s.toCells.apply(x, y)
	i, j, u, v := u>>8, v>>8, u&255, v&255
	corner := func(i, j int) int { return int(mix(s.noise, i, j) & 255) }
	top := corner(i, j)*(256-u) + corner(i+1, j)*u
	bottom := corner(i, j+1)*(256-u) + corner(i+1, j+1)*u
	n := (top*(256-v) + bottom*v) >> 16
	var c colour
	for k := range c {
		c[k] = uint8((int(s.ground[0][k])*(255-n) + int(s.ground[1][k])*n + 127) / 255)
	}
	return c
}
