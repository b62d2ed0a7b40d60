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
	// Name is "sgd" or "lars".
	Name string `json:"name"`
	// LearningRate is that after warm-up, for the batch as it is: scale it yourself (0.3*B/256 in the paper).
	LearningRate float64 `json:"learning_rate"`
	// Momentum is usually 0.9.
	Momentum float64 `json:"momentum"`
	// Nesterov takes each step of sgd as if the momentum had moved the weights already (Sutskever et al. 2013, as PyTorch has it).
	Nesterov bool `json:"nesterov,omitempty"`
	// WeightDecay pulls weights to zero, but neither gammas, betas nor biases.
	WeightDecay float64 `json:"weight_decay"`
	// WarmupEpochs is how long the rate rises linearly from 0, 10 in the paper.
	WarmupEpochs float64 `json:"warmup_epochs"`
}

// Optimizers are the names that Optimizer.Name may have.
var Optimizers = []string{"sgd", "lars"}

const larsTrust = 0.001

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
		return fmt.Errorf("momentum of Nesterov with %s: only sgd has it", o.Name)
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

// updates appends the optimiser to the graph: momentum for each parameter, and its new value.
func (o Optimizer) updates(b *builder, gradients []graph.Gradient) []graph.Update {
	rate := b.g.Rate()
	var updates []graph.Update
	for _, g := range gradients {
		slot := b.g.Slot(momentumPrefix+g.Param.Name, g.Param.Shape...)
		decay, trust := o.WeightDecay, float64(larsTrust)
		if b.role(g.Param) != Weight {
			decay, trust = 0, 0
		}
		var v, next *graph.Node
		if o.Name == "lars" {
			v = b.g.LARSVelocity(slot, g.Param, g.Value, rate, o.Momentum, decay, trust)
			next = b.g.Descend(g.Param, v, nil)
		} else {
			v = b.g.Velocity(slot, g.Param, g.Value, o.Momentum, decay)
			ahead := v
			if o.Nesterov {
				ahead = b.g.Velocity(v, g.Param, g.Value, o.Momentum, decay) // the gradient, and the momentum of the next step
			}
			next = b.g.Descend(g.Param, ahead, rate)
		}
		updates = append(updates,
			graph.Update{Target: slot, Value: v},
			graph.Update{Target: g.Param, Value: next})
	}
	return updates
}

const momentumPrefix = "momentum/"
