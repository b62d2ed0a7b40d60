package kernel

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// colourFactors are the factors that a kind is tested with, besides random ones in their range: where they change sign, where
// the place of the point moves, where they are clamped.
var colourFactors = map[ColourKind][]float64{
	Multiply:        {0, 0.2, 1, 1.8, 1.99999, 2, 3.7, 15.99999, 16, 40},
	Add:             {-5, -1, -0.8, -0.001, 0, 0.3, 1, 5},
	GreyContrast:    {0, 0.2, 1, 1.8, 1.99999, 2, 3.7, 15.99999, 16, 40},
	ChannelContrast: {0, 0.2, 1, 1.8, 1.99999, 2, 3.7, 15.99999, 16, 40},
	GreySaturation:  {0, 0.2, 1, 1.8, 1.99999, 2, 3.7, 15.99999, 16, 40},
	HSVSaturation:   {0, 0.2, 1, 1.8, 2, 16, 40},
	TurnHue:         {-0.5, -0.2, -1e-4, 0, 1e-4, 1. / 6, 0.25, 0.5, 0.7},
	ToGrey:          {0},
	Solarize:        {-1, 0, 0.5, 100, 128, 255, 255.5, 300},
}

func randomOp(r *rand.Rand) ColourOp {
	op := ColourOp{Kind: ColourKind(r.IntN(len(colourFactors))), Round: r.IntN(2) == 0}
	some := colourFactors[op.Kind]
	first, last := some[0], some[len(some)-1]
	op.Factor = some[r.IntN(len(some))]
	if r.IntN(2) == 0 {
		op.Factor = first + (last-first)*r.Float64()*r.Float64()
	}
	return op
}

// everyPair is an image of 256 * 256 * 4 pixels with every pair of levels in two channels, and four levels in the third.
func everyPair() []byte {
	pix := make([]byte, 0, 3<<18)
	for i := range 1 << 18 {
		a, b, c := byte(i), byte(i>>8), byte(i>>16)*85
		switch i % 3 {
		case 0:
			pix = append(pix, a, b, c)
		case 1:
			pix = append(pix, c, a, b)
		default:
			pix = append(pix, b, c, a)
		}
	}
	return pix
}

func TestEveryPairAtEachLevel(t *testing.T) {
	pix := everyPair()
	for kind, factors := range colourFactors {
		for _, factor := range factors {
			for _, round := range []bool{false, true} {
				ops := []ColourOp{{kind, factor, round}}
				sameAtEachLevel(t, fmt.Sprintf("%+v", ops), pix, func(p []byte) { Colour(p, ops) })
			}
		}
	}
}

func TestColourChainsAtEachLevel(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for range 300 {
		pix := noise(r.IntN(60), r.IntN(60), r)
		ops := make([]ColourOp, r.IntN(20))
		for i := range ops {
			ops[i] = randomOp(r)
		}
		sameAtEachLevel(t, fmt.Sprintf("%d pixels, %+v", len(pix)/3, ops), pix, func(p []byte) { Colour(p, ops) })
	}
}

func FuzzColour(f *testing.F) {
	f.Add(uint64(1), []byte("some pixels"))
	f.Fuzz(func(t *testing.T, seed uint64, pix []byte) {
		r := rand.New(rand.NewPCG(seed, 0))
		ops := []ColourOp{randomOp(r), randomOp(r), randomOp(r)}
		pix = pix[:len(pix)/3*3]
		sameAtEachLevel(t, fmt.Sprintf("%+v", ops), pix, func(p []byte) { Colour(p, ops) })
	})
}

func TestNeutralFactorsChangeNothing(t *testing.T) {
	pix := noise(64, 64, rand.New(rand.NewPCG(21, 22)))
	for kind, factor := range map[ColourKind]float64{
		Multiply: 1, Add: 0, GreyContrast: 1, ChannelContrast: 1, GreySaturation: 1, HSVSaturation: 1, TurnHue: 0, Solarize: 256,
	} {
		for _, round := range []bool{false, true} {
			got := bytes.Clone(pix)
			if Colour(got, []ColourOp{{kind, factor, round}}); !bytes.Equal(got, pix) {
				t.Errorf("kind %d with factor %v, Round %t changes pixels", kind, factor, round)
			}
		}
	}
}

// 1.2 * 10 is 12, though the factor is rounded.
func TestWholeProductsStayWhole(t *testing.T) {
	for tenths := range 20 {
		for v := range 256 {
			pix := []byte{byte(v), byte(v), byte(v)}
			Colour(pix, []ColourOp{{Kind: Multiply, Factor: float64(tenths) / 10}})
			if want := byte(min(v*tenths/10, 255)); v*tenths%10 == 0 && pix[0] != want {
				t.Errorf("%d * %d/10 is %d, want %d", v, tenths, pix[0], want)
			}
		}
	}
}

func TestColourAllocatesNothing(t *testing.T) {
	pix := noise(40, 40, rand.New(rand.NewPCG(15, 16)))
	atEachLevel(t, func(t *testing.T) {
		n := testing.AllocsPerRun(10, func() {
			Colour(pix, []ColourOp{{Kind: Multiply, Factor: 1.2}, {Kind: GreyContrast, Factor: 1.2}, {Kind: TurnHue, Factor: 0.1}})
		})
		if n != 0 {
			t.Errorf("Colour allocates %v times", n)
		}
	})
}

// plainColour is what op makes of the levels of a pixel, in float64, before it is rounded. The mean levels are those of the
// channels and of grey.
func plainColour(op ColourOp, p, mean [3]float64, meanGrey float64) [3]float64 {
	grey := 0.2989*p[0] + 0.587*p[1] + 0.114*p[2]
	hi, lo := max(p[0], p[1], p[2]), min(p[0], p[1], p[2])
	var out [3]float64
	for c, v := range p {
		switch op.Kind {
		case Multiply:
			v *= op.Factor
		case Add:
			v += 255 * op.Factor
		case GreyContrast:
			v = meanGrey + (v-meanGrey)*op.Factor
		case ChannelContrast:
			v = mean[c] + (v-mean[c])*op.Factor
		case GreySaturation:
			v = math.Floor(grey) + (v-math.Floor(grey))*op.Factor
		case HSVSaturation:
			if hi > lo {
				v = hi - (hi-v)*min(op.Factor, hi/(hi-lo))
			}
		case TurnHue:
			v = hueAt(p, c, op.Factor)
			if !op.Round {
				v *= 255.999 / 255
			}
		case ToGrey:
			v = grey
		case Solarize:
			if v >= op.Factor {
				v = 255 - v
			}
		}
		out[c] = v
	}
	return out
}

// hueAt converts a pixel to HSV and returns channel c of the pixel whose hue is turned.
func hueAt(p [3]float64, c int, turn float64) float64 {
	hi, lo := max(p[0], p[1], p[2]), min(p[0], p[1], p[2])
	if hi == lo {
		return hi
	}
	var h float64
	switch hi {
	case p[0]:
		h = (p[1] - p[2]) / (hi - lo)
	case p[1]:
		h = (p[2]-p[0])/(hi-lo) + 2
	default:
		h = (p[0]-p[1])/(hi-lo) + 4
	}
	h = math.Mod(h+6*turn+12, 6)
	f := h - math.Floor(h)
	falling, rising := hi-(hi-lo)*f, lo+(hi-lo)*f
	return [6][3]float64{
		{hi, rising, lo}, {falling, hi, lo}, {lo, hi, rising}, {lo, falling, hi}, {rising, lo, hi}, {hi, lo, falling},
	}[int(h)][c]
}

// Results are at most a level from the exact ones, and seldom not those.
func TestColourIsThePlainOne(t *testing.T) {
	pix := noise(60, 60, rand.New(rand.NewPCG(19, 20)))
	for i := range pix[:3*256] {
		pix[i] = byte(i / 3)
	}
	var mean [3]float64
	meanGrey := 0.0
	pixels := float64(len(pix) / 3)
	for i := 0; i < len(pix); i += 3 {
		for c, v := range pix[i : i+3] {
			mean[c] += float64(v) / pixels
		}
		meanGrey += math.Floor(0.2989*float64(pix[i])+0.587*float64(pix[i+1])+0.114*float64(pix[i+2])) / pixels
	}
	for kind, factors := range colourFactors {
		for _, round := range []bool{false, true} {
			sum := 0
			for i := range 50 {
				op := ColourOp{kind, factors[0] + (min(factors[len(factors)-1], maxFactor)-factors[0])*float64(i)/49, round}
				most := 1
				if kind == GreySaturation { // the grey level may be one off
					most = max(1, int(math.Ceil(op.Factor-1)))
				}
				got := bytes.Clone(pix)
				Colour(got, []ColourOp{op})
				for i := 0; i < len(pix); i += 3 {
					p := [3]float64{float64(pix[i]), float64(pix[i+1]), float64(pix[i+2])}
					for c, v := range plainColour(op, p, mean, meanGrey) {
						if round {
							v += 0.5
						}
						want := int(math.Floor(min(max(v+1e-9, 0), 255)))
						off := max(int(got[i+c]), want) - min(int(got[i+c]), want)
						if off > most {
							t.Fatalf("%+v makes %d of channel %d of %v, want %d", op, got[i+c], c, p, want)
						}
						sum += off
					}
				}
			}
			if off := float64(sum) / float64(50*len(pix)); off > 0.015 {
				t.Errorf("kind %d, Round %t: %.4f levels from the exact result on average", kind, round, off)
			}
		}
	}
}

func BenchmarkColour(b *testing.B) {
	jitter := []ColourOp{
		{Kind: Multiply, Factor: 1.2}, {Kind: GreySaturation, Factor: 0.7}, {Kind: GreyContrast, Factor: 1.3}, {Kind: TurnHue, Factor: 0.1},
	}
	cases := map[string][]ColourOp{
		"jitter":          jitter,
		"jitter and grey": append(jitter[:4:4], ColourOp{Kind: ToGrey}),
		"reference": {
			{Kind: Multiply, Factor: 1.2, Round: true}, {Kind: HSVSaturation, Factor: 0.7, Round: true},
			{Kind: ChannelContrast, Factor: 1.3, Round: true}, {Kind: TurnHue, Factor: 0.1, Round: true},
		},
		"nothing": {{Kind: Solarize, Factor: 300}},
	}
	for name, kind := range map[string]ColourKind{
		"multiply": Multiply, "grey contrast": GreyContrast, "grey saturation": GreySaturation, "HSV saturation": HSVSaturation,
		"hue": TurnHue, "grey": ToGrey,
	} {
		cases[name] = []ColourOp{{Kind: kind, Factor: 0.3}}
	}
	defer func(l Level) { current = l }(current)
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		for _, side := range []int{32, 224} {
			pix := noise(side, side, rand.New(rand.NewPCG(17, 18)))
			for _, current = range Levels() {
				b.Run(fmt.Sprintf("%s/%d/%v", name, side, current), func(b *testing.B) {
					for b.Loop() {
						Colour(pix, cases[name])
					}
				})
			}
		}
	}
}
