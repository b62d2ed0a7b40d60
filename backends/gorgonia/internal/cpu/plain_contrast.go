package cpu

import (
	"math"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// contrastScratch has the similarities of all pairs of views, the views transposed, and a number for each view.
func contrastScratch(c *device.Call) int {
	n, features := c.In[0].Shape[0], c.In[0].Shape[1]
	return floatsBytes(n*n) + floatsBytes(n*features) + doublesBytes(n)
}

// similarities returns the product of views and transposed views, [N, N], and memory for a number for each view.
func (w crew) similarities(c *device.Call) (s []float32, terms []float64, err error) {
	n, features := c.In[0].Shape[0], c.In[0].Shape[1]
	z, d := floats(c.In[0]), desk{c.Scratch}
	s, transposed, terms := d.floats(n*n), d.floats(n*features), d.doubles(n)
	w.transpose(n, features, z, transposed)
	return s, terms, w.multiply(n, n, features, z, transposed, s)
}

// meanOfViews sets the result to the mean of a term of each view i, given its row of similarities.
func (w crew) meanOfViews(c *device.Call, term func(s []float32, i int) float64) error {
	s, terms, err := w.similarities(c)
	if err != nil {
		return err
	}
	n := len(terms)
	w.each(len(s), n, func(_, i int) { terms[i] = term(s[i*n:(i+1)*n], i) })
	floats(c.Out)[0] = float32(sum(terms) / float64(n))
	return nil
}

// pull sets the result to the gradient of the views, where weigh replaces the similarities of each view i by their weights: the
// gradients of N times the loss, those of a similarity with itself being 0. A similarity pulls on both of its views.
func (w crew) pull(c *device.Call, weigh func(s []float32, i int)) error {
	s, terms, err := w.similarities(c)
	if err != nil {
		return err
	}
	n := len(terms)
	w.each(len(s), n, func(_, i int) {
		row := s[i*n : (i+1)*n]
		weigh(row, i)
		row[i] = 0
	})
	return w.pullBy(c, s, 1/float32(n))
}

// pullBy sets the result to factor * (s + transposed(s)) times the views.
func (w crew) pullBy(c *device.Call, s []float32, factor float32) error {
	n, features := c.Out.Shape[0], c.Out.Shape[1]
	w.symmetrize(n, s, factor)
	return w.multiply(n, features, n, s, floats(c.In[0]), floats(c.Out))
}

// symmetrize sets s [n, n] to factor * (s + transposed(s)).
func (w crew) symmetrize(n int, s []float32, factor float32) {
	const side = 32
	blocks := ceil(n, side)
	w.each(n*n, blocks*blocks, func(_, tile int) {
		top, left := tile/blocks*side, tile%blocks*side
		for i := top; i < min(n, top+side); i++ {
			for j := max(i, left); j < min(n, left+side); j++ {
				both := (s[i*n+j] + s[j*n+i]) * factor
				s[i*n+j], s[j*n+i] = both, both
			}
		}
	})
}

func (w crew) ntXent(c *device.Call) error {
	return w.meanOfViews(c, func(s []float32, i int) float64 {
		return logSumExpOthers(s, i, c.Attr.Temperature) - float64(s[i^1])/c.Attr.Temperature
	})
}

func (w crew) ntXentGrad(c *device.Call) error {
	t := c.Attr.Temperature
	return w.pull(c, func(s []float32, i int) {
		total := logSumExpOthers(s, i, t)
		for j, v := range s {
			p := math.Exp(float64(v)/t - total)
			if j == i^1 {
				p--
			}
			s[j] = float32(p / t)
		}
	})
}

// logSumExpOthers is log(sum(exp(s/temperature))) without element i.
func logSumExpOthers(s []float32, i int, temperature float64) float64 {
	largest, sum := s[i^1], 0.0
	for j, v := range s {
		if j != i {
			largest = max(largest, v)
		}
	}
	for j, v := range s {
		if j != i {
			sum += math.Exp((float64(v) - float64(largest)) / temperature)
		}
	}
	return float64(largest)/temperature + math.Log(sum)
}

// negatives calls f for the views that view i is to be told from, given its similarities: all but itself and its positive, or the
// semi-hard one, if there is one. share is 1 / their number.
func negatives(s []float32, i int, semiHard bool, f func(j int, share float64)) {
	if semiHard {
		if j := semiHardOf(s, i); j >= 0 {
			f(j, 1)
		}
		return
	}
	share := 1 / float64(len(s)-2)
	for j := range s {
		if j != i && j != i^1 {
			f(j, share)
		}
	}
}

// semiHardOf is the nearest of the negatives that are farther than the positive, of equals the first, or -1.
func semiHardOf(s []float32, i int) int {
	nearest := -1
	for j, v := range s {
		if j != i && j != i^1 && v < s[i^1] && (nearest < 0 || v > s[nearest]) {
			nearest = j
		}
	}
	return nearest
}

// softplus is log(1 + exp(x)), which is -log sigmoid(-x).
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func (w crew) ntLogistic(c *device.Call) error {
	t := c.Attr.Temperature
	return w.meanOfViews(c, func(s []float32, i int) float64 {
		loss := softplus(-float64(s[i^1]) / t)
		negatives(s, i, c.Attr.SemiHard, func(j int, share float64) { loss += softplus(float64(s[j])/t) * share })
		return loss
	})
}

func (w crew) ntLogisticGrad(c *device.Call) error {
	t := c.Attr.Temperature
	return w.pull(c, func(s []float32, i int) {
		positive := s[i^1]
		weigh(s, i, c.Attr.SemiHard, func(j int, share float64) float64 { return sigmoid(float64(s[j])/t) / t * share })
		s[i^1] = float32(-sigmoid(-float64(positive)/t) / t)
	})
}

// weigh replaces the similarities of view i by the weights of its negatives, and by 0 elsewhere. weight sees the similarity of its
// own element only.
func weigh(s []float32, i int, semiHard bool, weight func(j int, share float64) float64) {
	if semiHard {
		j := semiHardOf(s, i)
		var only float32
		if j >= 0 {
			only = float32(weight(j, 1))
		}
		clear(s)
		if j >= 0 {
			s[j] = only
		}
		return
	}
	negatives(s, i, false, func(j int, share float64) { s[j] = float32(weight(j, share)) })
	s[i], s[i^1] = 0, 0
}

func (w crew) triplet(c *device.Call) error {
	return w.meanOfViews(c, func(s []float32, i int) float64 {
		loss, positive := 0.0, float64(s[i^1])
		negatives(s, i, c.Attr.SemiHard, func(j int, share float64) {
			loss += max(0, float64(s[j])-positive+c.Attr.Margin) * share
		})
		return loss
	})
}

func (w crew) tripletGrad(c *device.Call) error {
	return w.pull(c, func(s []float32, i int) {
		total, positive := 0.0, float64(s[i^1])
		weigh(s, i, c.Attr.SemiHard, func(j int, share float64) float64 {
			if !(float64(s[j])-positive+c.Attr.Margin > 0) {
				return 0
			}
			total += share
			return share
		})
		s[i^1] = float32(-total)
	})
}

func (w crew) pairAccuracy(c *device.Call) error {
	return w.meanOfViews(c, func(s []float32, i int) float64 {
		for j, v := range s {
			if j != i && v > s[i^1] {
				return 0
			}
		}
		return 1
	})
}
