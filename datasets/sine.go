package datasets

// Angles are counted in 256ths of a turn and sines in 16384ths, from a table: floating point may round differently on
// another machine, and the procedural set must not.

const (
	turn = 256
	one  = 1 << 14 // the sine of a quarter turn
)

func sine(angle int) int {
	a := angle & (turn - 1)
	switch {
	case a <= 64:
		return int(quarterSine[a])
	case a <= 128:
		return int(quarterSine[128-a])
	case a <= 192:
		return -int(quarterSine[a-128])
	}
	return -int(quarterSine[256-a])
}

func cosine(angle int) int { return sine(angle + turn/4) }

// quarterSine[i] is 16384 sin(2 pi i/256), rounded.
var quarterSine = [65]int16{
	0, 402, 804, 1205, 1606, 2006, 2404, 2801, 3196, 3590, 3981, 4370,
	4756, 5139, 5520, 5897, 6270, 6639, 7005, 7366, 7723, 8076, 8423, 8765,
	9102, 9434, 9760, 10080, 10394, 10702, 11003, 11297, 11585, 11866, 12140, 12406,
	12665, 12916, 13160, 13395, 13623, 13842, 14053, 14256, 14449, 14635, 14811, 14978,
	15137, 15286, 15426, 15557, 15679, 15791, 15893, 15986, 16069, 16143, 16207, 16261,
	16305, 16340, 16364, 16379, 16384,
}
