package simclr

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/goclr/goclr/backends/graph"
)

// An Optimizer says how gradients change the weights.
type Optimizer struct {
	// Name is one of Optimizers: "sgd", with momentum, "lars", or "adam".
	Name string `json:"name"`
	// LearningRate is that after warm-up, for the batch as it is: scale it yourself (0.3*B/256 in the paper).
	LearningRate float64 `json:"learning_rate"`
	// Momentum is usually 0.9. It is beta1 of adam, whose beta2 is 0.999.
	Momentum float64 `json:"momentum"`
	// Nesterov takes each step of sgd as if the momentum had moved the weights already (Sutskever et al. 2013, as PyTorch and the
	// reference implementation have it).
	Nesterov bool `json:"nesterov,omitempty"`
	// WeightDecay pulls weights to zero, but neither gammas, betas nor biases. With all optimizers it is added to the gradient: with
	// lars before the gradient's length is taken, with adam before its averages.
	WeightDecay float64 `json:"weight_decay"`
	// WarmupEpochs is how long the rate rises linearly from 0, 10 in the paper.
	WarmupEpochs float64 `json:"warmup_epochs"`
}

// Optimizers are the names that Optimizer.Name may have.
var Optimizers = []string{"sgd", "lars", "adam"}

const (
	larsTrust = 0.001
	adamBeta2 = 0.999
	adamEps   = 1e-8
)

// Validate returns an error that names the first field with a wrong value and the right ones.
func (o Optimizer) Validate() error {
	switch {
	case !slices.Contains(Optimizers, o.Name):
		return fmt.Errorf("unknown optimizer %q: choose one of %s", o.Name, strings.Join(Optimizers, ", "))
	case !(o.LearningRate >= 0) || math.IsInf(o.LearningRate, 0):
		return fmt.Errorf("learning rate %g: it must not be negative", o.LearningRate)
	case !(o.Momentum >= 0 && o.Momentum < 1):
		return fmt.Errorf("momentum %g: it must be at least 0 and below 1", o.Momentum)
	case o.Nesterov && o.Name != "sgd":
		return fmt.Errorf("nesterov momentum with optimizer %s: only sgd has it", o.Name)
	case !(o.WeightDecay >= 0) || math.IsInf(o.WeightDecay, 0):
		return fmt.Errorf("weight decay %g: it must not be negative", o.WeightDecay)
	case !(o.WarmupEpochs >= 0) || math.IsInf(o.WarmupEpochs, 0):
		return fmt.Errorf("warm-up of %g epochs: it must not be negative", o.WarmupEpochs)
	}
	return nil
}

// rate is the learning rate of step n of total: linear warm-up, then a half cosine down to 0, step by step.
func (o Optimizer) rate(n, stepsPerEpoch, total int) float32 {
	warmup := o.WarmupEpochs * float64(stepsPerEpoch)
	if float64(n) < warmup {
		return float32(o.LearningRate * float64(n+1) / math.Max(warmup, float64(n+1)))
	}
	progress := (float64(n) - warmup) / math.Max(1, float64(total)-warmup)
	return float32(o.LearningRate * (1 + math.Cos(math.Pi*math.Min(progress, 1))) / 2)
}

// updates appends the optimiser to the graph: what it carries for each parameter, and the parameter's new value.
func (o Optimizer) updates(b *builder, gradients []graph.Gradient) []graph.Update {
	r := o.rule(b.g, b.g.Rate())
	updates := r.shared
	for _, g := range gradients {
		updates = append(updates, r.update(b.find(g.Param), g.Value)...)
	}
	return updates
}

// A rule is an optimiser in a graph.
type rule struct {
	shared []graph.Update // of what it carries for all parameters together
	update func(p *param, grad *graph.Node) []graph.Update
}

// rule is the optimiser at the given learning rate, with what it carries for all parameters together appended to g.
func (o Optimizer) rule(g *graph.Graph, rate *graph.Node) rule {
	switch o.Name {
	case "lars":
		return rule{update: func(p *param, grad *graph.Node) []graph.Update { return o.lars(g, p, grad, rate) }}
	case "adam":
		before := g.Slot(stepSlot)
		step := g.Count(before)
		return rule{
			shared: []graph.Update{{Target: before, Value: step}},
			update: func(p *param, grad *graph.Node) []graph.Update { return o.adam(g, p, grad, rate, step) },
		}
	default:
		return rule{update: func(p *param, grad *graph.Node) []graph.Update { return o.sgd(g, p, grad, rate) }}
	}
}

func (o Optimizer) sgd(g *graph.Graph, p *param, grad, rate *graph.Node) []graph.Update {
	slot := p.slot(g, momentumPrefix)
	v := g.Velocity(slot, p.node, grad, o.Momentum, o.decay(p))
	direction := v
	if o.Nesterov {
		direction = g.Velocity(v, p.node, grad, o.Momentum, o.decay(p))
	}
	return []graph.Update{{Target: slot, Value: v}, {Target: p.node, Value: g.Descend(p.node, direction, rate)}}
}

func (o Optimizer) lars(g *graph.Graph, p *param, grad, rate *graph.Node) []graph.Update {
	trust := 0.0
	if p.role == Weight {
		trust = larsTrust
	}
	slot := p.slot(g, momentumPrefix)
	v := g.LARSVelocity(slot, p.node, grad, rate, o.Momentum, o.decay(p), trust)
	return []graph.Update{{Target: slot, Value: v}, {Target: p.node, Value: g.Descend(p.node, v, nil)}}
}

func (o Optimizer) adam(g *graph.Graph, p *param, grad, rate, step *graph.Node) []graph.Update {
	meanSlot, squareSlot := p.slot(g, momentumPrefix), p.slot(g, squarePrefix)
	mean := g.AdamMean(meanSlot, p.node, grad, o.Momentum, o.decay(p))
	square := g.AdamSquare(squareSlot, p.node, grad, adamBeta2, o.decay(p))
	next := g.AdamDescend(p.node, mean, square, rate, step, o.Momentum, adamBeta2, adamEps)
	return []graph.Update{{Target: meanSlot, Value: mean}, {Target: squareSlot, Value: square}, {Target: p.node, Value: next}}
}

// decay is the weight decay of a parameter.
func (o Optimizer) decay(p *param) float64 {
	if p.role == Weight {
		return o.WeightDecay
	}
	return 0
}

// slot adds a tensor of the optimiser, of the parameter's shape.
func (p *param) slot(g *graph.Graph, prefix string) *graph.Node {
	return g.Slot(prefix+p.node.Name, p.node.Shape...)
}

// The names of what an optimiser carries from step to step: NAME is that of a parameter.
const (
	momentumPrefix = "momentum/"      // momentum/NAME, with adam the average of gradients
	squarePrefix   = "square/"        // square/NAME, the average of squared gradients
	stepSlot       = "optimizer/step" // the number of steps taken
)

// isSlot reports whether a tensor of that name is the optimiser's and not the model's.
func isSlot(name string) bool {
	return strings.HasPrefix(name, momentumPrefix) || strings.HasPrefix(name, squarePrefix) || name == stepSlot
}
