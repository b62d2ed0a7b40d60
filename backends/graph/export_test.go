package graph

import (
	"maps"
	"slices"
)

// Rules returns the operations that have a gradient rule, so that the tests can demand a case for each.
func Rules() []Op { return slices.Sorted(maps.Keys(rules)) }

// Losses returns the operations that are losses, so that the tests can demand a case for each.
func Losses() []Op { return slices.Sorted(maps.Keys(losses)) }
