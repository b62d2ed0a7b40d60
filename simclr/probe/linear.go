package probe

import (
	"context"
	"math"

	"github.com/goclr/goclr/pipeline"
)

// Linear is linear evaluation (section 2.3 of the paper): a softmax classifier on frozen features, trained by our own SGD with
// Nesterov momentum and a cosine schedule, without augmentation or weight decay. Features are standardised by the mean and
// standard deviation of the training set.
type Linear struct {
	Epochs       int     // The default is 100.
	Batch        int     // The default is 256.
	LearningRate float64 // At the start. The default is 1, for rows scaled to a mean square length of 1.
	Momentum     float64 // The default is 0.9.
	Seed         uint64  // Order of the training vectors. The default is 0.
	// Observe is told the number of epochs done. The default is nil.
	Observe func(epoch int)
}

// Score trains on train and returns the share of test vectors that get the largest logit for their class, in [0,1]. The cost is
// Epochs times the size of train times the number of classes, on one CPU; the result is the same every time.
func (l Linear) Score(ctx context.Context, train, test *Features) (float64, error) {
	if err := checkComparable(train, test); err != nil {
		return 0, err
	}
	if l.Epochs == 0 {
		l.Epochs = 100
	}
	if l.Batch == 0 {
		l.Batch = 256
	}
	if l.LearningRate == 0 {
		l.LearningRate = 1
	}
	if l.Momentum == 0 {
		l.Momentum = 0.9
	}
	l.Batch = min(l.Batch, train.Len())
	s := newScaling(train)
	x, y := s.apply(train), s.apply(test)
	c := newClassifier(classes(train, test), train.Dim)
	steps := train.Len() / l.Batch
	order := make([]int, train.Len())
	for epoch := range l.Epochs {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		for i := range order {
			order[i] = i
		}
		r := pipeline.Key{Seed: l.Seed, Stage: "linear probe", Epoch: uint64(epoch)}.Rand()
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for n := range steps {
			done := float64(epoch*steps+n) / float64(l.Epochs*steps)
			rate := l.LearningRate * (1 + math.Cos(math.Pi*done)) / 2
			for _, i := range order[n*l.Batch : (n+1)*l.Batch] {
				c.accumulate(x[i*train.Dim:(i+1)*train.Dim], int(train.Labels[i]))
			}
			c.descend(float32(rate), float32(l.Momentum), l.Batch)
		}
		if l.Observe != nil {
			l.Observe(epoch + 1)
		}
	}
	right := 0
	for i, label := range test.Labels {
		if c.predict(y[i*test.Dim:(i+1)*test.Dim]) == int(label) {
			right++
		}
	}
	return float64(right) / float64(test.Len()), nil
}

// scaling makes features comparable: mean 0, equal variance, and rows of mean square length 1.
type scaling struct{ mean, factor []float32 }

func newScaling(f *Features) scaling {
	sum, squares := make([]float64, f.Dim), make([]float64, f.Dim)
	for i := range f.Len() {
		for j, v := range f.Row(i) {
			sum[j] += float64(v)
		}
	}
	n := float64(f.Len())
	for i := range f.Len() {
		for j, v := range f.Row(i) {
			d := float64(v) - sum[j]/n
			squares[j] += d * d
		}
	}
	s := scaling{make([]float32, f.Dim), make([]float32, f.Dim)}
	for j := range sum {
		s.mean[j] = float32(sum[j] / n)
		if std := math.Sqrt(squares[j] / n); std > 1e-6 { // a dead feature says nothing
			s.factor[j] = float32(1 / (std * math.Sqrt(float64(f.Dim))))
		}
	}
	return s
}

func (s scaling) apply(f *Features) []float32 {
	out := make([]float32, len(f.Data))
	for i := range f.Len() {
		for j, v := range f.Row(i) {
			out[i*f.Dim+j] = (v - s.mean[j]) * s.factor[j]
		}
	}
	return out
}

// classifier is softmax(W x + b) with the gradient of its cross entropy.
type classifier struct {
	dim                        int
	weights, gradient, inertia []float32 // rows of dim weights and one bias
	logits                     []float32
}

func newClassifier(classes, dim int) *classifier {
	n := classes * (dim + 1)
	return &classifier{dim, make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, classes)}
}

func (c *classifier) row(m []float32, class int) []float32 {
	return m[class*(c.dim+1) : (class+1)*(c.dim+1)]
}

func (c *classifier) forward(x []float32) {
	for k := range c.logits {
		w := c.row(c.weights, k)
		c.logits[k] = dot(x, w[:c.dim]) + w[c.dim]
	}
}

func (c *classifier) predict(x []float32) int {
	c.forward(x)
	best := 0
	for k, v := range c.logits {
		if v > c.logits[best] {
			best = k
		}
	}
	return best
}

// accumulate adds the gradient of one example.
func (c *classifier) accumulate(x []float32, label int) {
	c.forward(x)
	top := c.logits[0]
	for _, v := range c.logits {
		top = max(top, v)
	}
	var sum float64
	for k, v := range c.logits {
		e := math.Exp(float64(v - top))
		c.logits[k] = float32(e)
		sum += e
	}
	for k := range c.logits {
		d := c.logits[k] / float32(sum)
		if k == label {
			d--
		}
		g := c.row(c.gradient, k)
		for j, v := range x {
			g[j] += d * v
		}
		g[c.dim] += d
	}
}

// descend takes one step along the mean gradient of n examples and clears it.
func (c *classifier) descend(rate, momentum float32, n int) {
	for i, g := range c.gradient {
		g /= float32(n)
		c.inertia[i] = momentum*c.inertia[i] + g
		c.weights[i] -= rate * (g + momentum*c.inertia[i])
		c.gradient[i] = 0
	}
}
