package simclr

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/goclr/goclr/backends/graph"
)

// The names of the losses.
const (
	ntXent     = "nt-xent"
	ntLogistic = "nt-logistic"
	triplet    = "triplet"
)

// Losses are the names that Model.Loss may have.
var Losses = []string{ntXent, ntLogistic, triplet}

// validateLoss checks the loss and the fields that belong to it.
func (m Model) validateLoss() error {
	switch {
	case !slices.Contains(Losses, m.Loss):
		return fmt.Errorf("unknown loss %q: choose one of %s", m.Loss, strings.Join(Losses, ", "))
	case m.SemiHard && m.Loss == ntXent:
		return fmt.Errorf("semi-hard negatives with loss %s: it weighs all negatives by their hardness itself; choose %s or %s", m.Loss, ntLogistic, triplet)
	case !(m.Temperature > 0) || math.IsInf(m.Temperature, 0):
		return fmt.Errorf("temperature %g: it must be positive", m.Temperature)
	case !(m.Margin >= 0) || math.IsInf(m.Margin, 0):
		return fmt.Errorf("margin %g: it must not be negative", m.Margin)
	case m.Margin > 0 && m.Loss != triplet:
		return fmt.Errorf("margin %g with loss %s: only %s has a margin", m.Margin, m.Loss, triplet)
	case m.Margin == 0 && m.Loss == triplet && m.SemiHard:
		return fmt.Errorf("margin 0 with semi-hard negatives: none is within it; choose a positive margin")
	}
	return nil
}

// loss appends the loss of projections z to the graph.
func (m Model) loss(g *graph.Graph, z *graph.Node) *graph.Node {
	switch m.Loss {
	case ntLogistic:
		return g.NTLogistic(z, m.Temperature, m.SemiHard)
	case triplet:
		return g.Triplet(z, m.Margin, m.SemiHard)
	default:
		return g.NTXent(z, m.Temperature)
	}
}
