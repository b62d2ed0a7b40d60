// Package gorgonia is the backend that computes by Gorgonia: a step becomes an expression graph, and Gorgonia's tape machine
// runs it. The operators are goclr's own, one for each operation of package graph, since Gorgonia's take several times as long and
// some have wrong gradients; what they compute with is a device (internal/device), and neither an operator nor Gorgonia ever
// looks into a device's memory.
//
// Gradients come from package graph, as for every backend, not from Gorgonia: one table of rules serves all. The tests hold the
// other opinion: a network of Gorgonia's own operators, differentiated by Gorgonia in float64.
//
//	import _ "github.com/goclr/goclr/backends/gorgonia"
//
//	b, err := backends.Open(ctx, "gorgonia", backends.Options{})
package gorgonia
