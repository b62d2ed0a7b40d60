package datasets

// A figure is what a class of the procedural set looks like: an outline filled with a pattern. Both are functions of a
// point whose unit is a 1024th of the figure's radius, x to the right and y down from its centre.
type figure struct {
	name    string
	inside  func(x, y int) bool
	pattern func(x, y int) bool // which of the figure's two colours
}

// figures are the classes, sorted by name.
var figures = [...]figure{
	{"bar", bar, bricks},
	{"crescent", crescent, speckles},
	{"cross", cross, stripes},
	{"disc", disc, dots},
	{"frame", frame, waves},
	{"hourglass", hourglass, lattice},
	{"ring", ring, spokes},
	{"square", square, checks},
	{"star", star, rings},
	{"triangle", triangle, plain},
}

func bar(x, y int) bool       { return abs(x) < 1200 && abs(y) < 560 }
func crescent(x, y int) bool  { return within(x, y, 1080) && !within(x-480, y, 760) }
func cross(x, y int) bool     { return max(abs(x), abs(y)) < 1060 && min(abs(x), abs(y)) < 380 }
func disc(x, y int) bool      { return within(x, y, 980) }
func frame(x, y int) bool     { return max(abs(x), abs(y)) < 960 && max(abs(x), abs(y)) > 430 }
func hourglass(x, y int) bool { return abs(y) < 1000 && abs(x) < abs(y)+120 }
func ring(x, y int) bool      { return within(x, y, 1060) && !within(x, y, 460) }
func square(x, y int) bool    { return max(abs(x), abs(y)) < 860 }
func star(x, y int) bool      { return max(abs(x), abs(y))+2*min(abs(x), abs(y)) < 1300 }
func triangle(x, y int) bool  { return y < 700 && 2*abs(x) < y+1240 }

func bricks(x, y int) bool {
	row := tile(y, 300)
	return phase(y, 300) < 100 || phase(x+row%2*260, 520) < 110
}
func speckles(x, y int) bool { return mix(0, tile(x, 210), tile(y, 210))&1 == 0 }
func stripes(x, _ int) bool  { return tile(x, 230)%2 == 0 }
func dots(x, y int) bool     { return within(phase(x, 480)-240, phase(y, 480)-240, 165) }
func waves(x, y int) bool    { return tile(y+abs(phase(x, 640)-320), 270)%2 == 0 }
func lattice(x, y int) bool  { return phase(x, 420) < 140 || phase(y, 420) < 140 }
func spokes(x, y int) bool   { return (x > 0) != (y > 0) != (abs(x) > abs(y)) }
func checks(x, y int) bool   { return (tile(x, 340)+tile(y, 340))%2 == 0 }
func rings(x, y int) bool {
	return tile(8*max(abs(x), abs(y))+3*min(abs(x), abs(y)), 8*190)%2 == 0
}
func plain(_, _ int) bool { return true }

func abs(x int) int { return max(x, -x) }

func within(x, y, r int) bool { return x*x+y*y < r*r }

// tile and phase cut a line into tiles of n units: which one x is in, counted from far left, and where in it. Points of
// an image are never further than 1<<16 units from a figure's centre, and 1<<16 tiles are an even number.
func tile(x, n int) int  { return (x + n<<16) / n }
func phase(x, n int) int { return (x + n<<16) % n }

// mix hashes two numbers and a seed.
func mix(seed uint32, x, y int) uint32 {
	h := seed ^ uint32(x)*0x9E3779B1 ^ uint32(y)*0x85EBCA77
	h ^= h >> 15
	h *= 0x2C1B3C6D
	h ^= h >> 12
	h *= 0x297A2D39
	return h ^ h>>15
}
