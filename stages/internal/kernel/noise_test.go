package kernel

import (
	"bytes"
	"math"
	"slices"
	"testing"
)

func TestNormalIsNormal(t *testing.T) {
	const n = 1 << 20
	for _, seed := range []uint64{0, 1, 1<<53 - 1} {
		z := make([]float64, n)
		var mean, variance, third, fourth, after float64
		for i := range z {
			z[i] = float64(normal(mix(seed), i)) / normalSigma
			mean += z[i] / n
			if i > 0 {
				after += z[i] * z[i-1] / n
			}
		}
		for _, v := range z {
			d := v - mean
			variance += d * d / n
			third += d * d * d / n
			fourth += d * d * d * d / n
		}
		// Four standard errors of each for n normal numbers; the kurtosis of 40 coins is 3 - 0.0485.
		slack := 4 / math.Sqrt(n)
		for _, c := range []struct {
			what             string
			got, want, slack float64
		}{
			{"mean", mean, 0, slack},
			{"variance", variance, 1, slack * math.Sqrt2},
			{"skewness", third, 0, slack * math.Sqrt(6)},
			{"kurtosis", fourth, 2.9515, slack * math.Sqrt(24)},
			{"product of neighbours", after, 0, slack},
		} {
			if math.Abs(c.got-c.want) > c.slack {
				t.Errorf("seed %d: %s is %.5f, want %.4f within %.4f", seed, c.what, c.got, c.want, c.slack)
			}
		}
		slices.Sort(z)
		most := 0.0
		for i, v := range z {
			most = max(most, math.Abs(float64(i)/n-0.5*math.Erfc(-v/math.Sqrt2)))
		}
		if most > 0.002+2/math.Sqrt(n) {
			t.Errorf("seed %d: the distribution function is up to %.4f off", seed, most)
		}
		if z[0] > -4 || z[n-1] < 4 {
			t.Errorf("seed %d: a million numbers reach from %.2f to %.2f", seed, z[0], z[n-1])
		}
	}
}

// These bytes were computed once and must come out on every machine.
func TestNoiseStays(t *testing.T) {
	pix := bytes.Repeat([]byte{128}, 12)
	Noise(pix, 25.5, 20)
	if want := []byte{119, 126, 136, 97, 145, 159, 142, 99, 148, 130, 134, 90}; !bytes.Equal(pix, want) {
		t.Errorf("noise is %d, want %d", pix, want)
	}
}

func TestNoiseHasItsSigma(t *testing.T) {
	for _, sigma := range []float64{1, 12.75, 25.5} {
		pix := bytes.Repeat([]byte{128}, 300000)
		Noise(pix, sigma, 7)
		var mean, variance float64
		for _, p := range pix {
			d := float64(p) - 128
			mean += d / 300000
			variance += d * d / 300000
		}
		want := sigma*sigma + 1./12 // rounding to levels adds its own
		if math.Abs(mean) > 0.01*sigma || math.Abs(variance-want) > 0.012*want {
			t.Errorf("sigma %g: mean %.4f and variance %.3f, want 0 and %.3f", sigma, mean, variance, want)
		}
	}
}
