package kernel

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// colourFactors are the factors that a kind is tested with, besides random ones in their range: where they change sign, where
// the place of the point moves, where they are clamped.
var colourFactors = map[ColourKind][]float64{
	Multiply:        {0, 0.2, 1, 1.8, 1.99999, 2, 3.7, 17, 32, 40},
	Add:             {-2, -1, -0.8, -0.001, 0, 0.3, 1, 1.5},
	GreyContrast:    {0, 0.2, 1, 1.8, 1.99999, 2, 3.7, 17, 32, 40},
	ChannelContrast: {0, 0.2, 1, 1.8, 1.99999, 2, 3.7, 17, 32, 40},
	GreySaturation:  {0, 0.2, 1, 1.8, 1.99999, 2, 3.7, 17, 32, 40},
	HSVSaturation:   {0, 0.2, 1, 1.8, 2, 17, 40},
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

// everyColour is an image of 256 * 256 * 16 pixels with every pair of levels in two channels, and 16 levels in the third.
func everyColour() []byte {
	pix := make([]byte, 0, 3<<20)
	for i := range 1 << 20 {
		a, b, c := byte(i), byte(i>>8), byte(i>>16)*17
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

func TestEveryColourAtEachLevel(t *testing.T) {
	pix := everyColour()
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

// What each operation is, without a trick: in float64 on one pixel, in levels, before it is rounded and clamped.
func plainColour(op ColourOp, p [3]float64, mean [3]float64) [3]float64 {
	hi, lo := max(p[0], p[1], p[2]), min(p[0], p[1], p[2])
	grey := func(p [3]float64) float64 { return 0.2989*p[0] + 0.587*p[1] + 0.114*p[2] }
	var out [3]float64
	for c, v := range p {
		switch op.Kind {
		case Multiply:
			v *= op.Factor
		case Add:
			v += 255 * op.Factor
		case GreyContrast:
			v = mean[0] + (v-mean[0])*op.Factor
		case ChannelContrast:
			v = mean[c] + (v-mean[c])*op.Factor
		case GreySaturation:
			v = float64(int(grey(p))) + (v-float64(int(grey(p))))*op.Factor
		case HSVSaturation:
			if hi > lo {
				v = hi - (hi-v)*min(op.Factor, hi/(hi-lo))
			}
		case ToGrey:
			v = grey(p)
		case Solarize:
			if v >= op.Factor {
				v = 255 - v
			}
		}
		out[c] = v
	}
	return out
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
