package kernel

import "math"

// A ColourKind is what a ColourOp does.
type ColourKind int

// The kinds of colour operations. Each clamps its result.
const (
	Multiply        ColourKind = iota // brightness: every channel times Factor
	Add                               // brightness: every channel plus Factor times 255
	GreyContrast                      // the distance of every channel to the mean grey level of the image times Factor
	ChannelContrast                   // the distance of every channel to its own mean in the image times Factor
	GreySaturation                    // the distance of every channel to the grey level of its pixel times Factor
	HSVSaturation                     // the saturation of the HSV model times Factor, at most 1; hue and value stay
	TurnHue                           // the hue of the HSV model turned by Factor of the circle; saturation and value stay
	ToGrey                            // the three channels set to the grey level of the pixel; no Factor
	Solarize                          // every channel of Factor levels or more inverted
)

// A ColourOp changes every pixel of an image.
type ColourOp struct {
	Kind ColourKind
	// Factor is what Kind says. Where it multiplies, less than 0 is taken for 0, and more than 16 for 16.
	Factor float64
	// Round rounds to the nearest level. Otherwise results are rounded as torchvision does it: down.
	Round bool
}

// Colour does ops one after the other on pixels, in place.
func Colour(pix []byte, ops []ColourOp) {
	if len(pix) == 0 {
		return
	}
	steps := make([]colourStep, 0, 8) // a longer chain allocates
	for _, op := range ops {
		if op.Kind != GreyContrast && op.Kind != ChannelContrast {
			steps = append(steps, op.step())
			continue
		}
		sum := stepGreySum
		if op.Kind == ChannelContrast {
			sum = stepChannelSums
		}
		steps = append(steps, colourStep{kind: sum})
		colourPass(pix, steps)
		steps = append(steps[:0], op.contrast(steps[len(steps)-1].sum, len(pix)/3))
	}
	if len(steps) > 0 {
		colourPass(pix, steps)
	}
}

// A colourStep is a loop over pixels with its constants, which fit in 16 bits except where told. C has the same struct.
type colourStep struct {
	kind   stepKind
	factor int32
	shift  uint32
	add    [3]int32
	sum    [3]uint64 // where the kinds that sum leave their result
}

type stepKind int64

const (
	stepAffine      stepKind = iota // (v*factor>>9 + add) >> shift for each channel
	stepBlend                       // ((v-grey)*factor>>9 + grey<<shift + add[0]) >> shift
	stepSaturate                    // see saturate; factor has 32 bits
	stepHue                         // see turnHue
	stepGrey                        // (the grey level in 1/256 + add[0]) >> 8
	stepSolarize                    // 255-v from factor on
	stepGreySum                     // adds the grey levels up in sum[0]; this one and the next leave the pixels as they are
	stepChannelSums                 // adds the channels up in sum
)

// step plans an operation that needs to know one pixel at a time.
func (op ColourOp) step() colourStep {
	switch op.Kind {
	case Add:
		delta := math.Round(min(max(op.Factor, -1), 1) * 255 * (1 << productBits))
		add := int32(delta) + op.half(productBits)
		return colourStep{kind: stepAffine, factor: 1 << (9 + productBits), shift: productBits, add: [3]int32{add, add, add}}
	case GreySaturation:
		factor, shift := fixed(op.Factor)
		return colourStep{kind: stepBlend, factor: factor, shift: shift, add: [3]int32{op.half(shift)}}
	case HSVSaturation:
		factor := math.Round(min(max(op.Factor, 0), maxFactor) * (1 << saturationBits))
		return colourStep{kind: stepSaturate, factor: int32(factor), add: [3]int32{op.half(saturationBits)}}
	case TurnHue:
		turn := op.Factor - math.Round(op.Factor)
		s := colourStep{kind: stepHue, factor: int32(math.Round(turn * 6 * (1 << turnBits))), shift: 8}
		if op.Round {
			s.shift, s.add[0] = 16, op.half(hueBits)
		}
		return s
	case ToGrey:
		return colourStep{kind: stepGrey, add: [3]int32{op.half(8)}}
	case Solarize:
		return colourStep{kind: stepSolarize, factor: int32(math.Ceil(min(max(op.Factor, 0), 256)))}
	default:
		factor, shift := fixed(op.Factor)
		add := op.half(shift)
		return colourStep{kind: stepAffine, factor: factor, shift: shift, add: [3]int32{add, add, add}}
	}
}

// contrast plans an operation that needs sums over all pixels.
func (op ColourOp) contrast(sums [3]uint64, pixels int) colourStep {
	if op.Kind == GreyContrast {
		sums = [3]uint64{sums[0], sums[0], sums[0]}
	}
	s := colourStep{kind: stepAffine}
	s.factor, s.shift = fixed(op.Factor)
	n := int64(pixels) << 9
	for c, sum := range sums {
		rest := (1<<(9+s.shift) - int64(s.factor)) * int64(sum) // n * (1 - Factor) * mean
		s.add[c] = op.half(s.shift) + int32(floorDiv(rest+n/2, n))
	}
	return s
}

// half is what makes the shift that follows round to the nearest number, if the operation shall.
func (op ColourOp) half(shift uint32) int32 {
	if op.Round {
		return 1 << shift >> 1
	}
	return 0
}

// Products are those of 16-bit numbers of which 16 bits are kept: of a level times 1<<7 and of a factor below 2 times 1<<14,
// there remain productBits behind the point, and the sum of the product and of another one has room.
const (
	productBits = 5
	maxFactor   = 16
)

// fixed returns factor times 1<<(9+shift) as a number of 15 bits, rounded up: products that are whole numbers, such as
// 1.2 * 10, must not fall to the number below.
func fixed(factor float64) (f int32, shift uint32) {
	factor = min(max(factor, 0), maxFactor)
	shift = productBits
	for ; factor >= 2 && shift > 2; factor /= 2 {
		shift--
	}
	return min(int32(math.Ceil(factor*(1<<(9+productBits)))), math.MaxInt16), shift
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
